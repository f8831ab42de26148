// The measures of a sweep over all shifts within a radius r.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "linn/shift.h"
#include "shift/intervals.h"

namespace linn::shift {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// One image's measures over the shifts within a radius; NaN where there are no labels, values or steps.
struct ImageMeasures {
  double right = nan;          // share of shifts at which the class is the label
  double same = nan;           // share of shifts with the class of shift 0
  double equal_pairs = nan;    // share of pairs of shifts with one class
  double changed_steps = nan;  // share of steps of one pixel that change the class
  double max_change = nan, mean_change = nan;
  double deviation = nan;  // standard deviation of the label's value
  bool right_in_place = false;
};

// Computes the measures of one image after the other from its predictions at the shifts within `r`.
class ImageMeasurer {
 public:
  ImageMeasurer(const Predictions& predictions, std::int64_t r)
      : predictions_(predictions), side_(2 * predictions.radius + 1), r_(r), counts_(static_cast<std::size_t>(predictions.classes)) {}

  ImageMeasures of(std::int64_t image) {
    start_ = static_cast<std::size_t>(image * side_ * side_);
    ImageMeasures found;
    count_classes(image, found);
    count_steps(found);
    measure_values(found);
    return found;
  }

 private:
  std::size_t at(std::int64_t dy, std::int64_t dx) const {
    return start_ + static_cast<std::size_t>((dy + predictions_.radius) * side_ + dx + predictions_.radius);
  }
  std::int64_t shifts() const { return (2 * r_ + 1) * (2 * r_ + 1); }
  template <class Visit>
  void each(Visit visit) const {
    for (std::int64_t dy = -r_; dy <= r_; ++dy)
      for (std::int64_t dx = -r_; dx <= r_; ++dx) visit(at(dy, dx));
  }

  void count_classes(std::int64_t image, ImageMeasures& found) {
    each([&](std::size_t i) { ++counts_[predictions_.predicted[i]]; });
    const std::uint16_t in_place = predictions_.predicted[at(0, 0)];
    found.same = share(counts_[in_place], shifts());
    if (!predictions_.labels.empty()) {
      const std::int64_t label = predictions_.labels[static_cast<std::size_t>(image)];
      found.right = share(counts_[static_cast<std::size_t>(label)], shifts());
      found.right_in_place = in_place == label;
    }
    double equal = 0;  // ordered pairs of shifts with one class: the sum of squared counts
    each([&](std::size_t i) {
      const auto count = static_cast<double>(std::exchange(counts_[predictions_.predicted[i]], 0));
      equal += count * count;
    });
    found.equal_pairs = equal / (static_cast<double>(shifts()) * static_cast<double>(shifts()));
  }

  void count_steps(ImageMeasures& found) const {
    if (r_ == 0) return;
    const auto& predicted = predictions_.predicted;
    std::int64_t changed = 0;
    for (std::int64_t a = -r_; a <= r_; ++a)
      for (std::int64_t b = -r_; b < r_; ++b) {
        changed += predicted[at(a, b)] != predicted[at(a, b + 1)] ? 1 : 0;
        changed += predicted[at(b, a)] != predicted[at(b + 1, a)] ? 1 : 0;
      }
    found.changed_steps = share(changed, 2 * (2 * r_ + 1) * 2 * r_);
  }

  void measure_values(ImageMeasures& found) const {
    if (!predictions_.change.empty()) {
      double most = 0;
      double sum = 0;
      each([&](std::size_t i) {
        const auto change = static_cast<double>(predictions_.change[i]);
        most = std::max(most, change);
        sum += change;
      });
      found.max_change = most;
      found.mean_change = sum / static_cast<double>(shifts());
    }
    if (!predictions_.label_value.empty()) {
      RunningVariance spread;
      each([&](std::size_t i) { spread.add(static_cast<double>(predictions_.label_value[i])); });
      found.deviation = std::sqrt(spread.squares / static_cast<double>(spread.count));
    }
  }

  const Predictions& predictions_;
  std::int64_t side_;
  std::int64_t r_;
  std::size_t start_ = 0;
  std::vector<std::int64_t> counts_;  // shifts of each class; count_classes leaves it all 0
};

// The mean of `value` over the images that `which` accepts, at most `most`.
template <class Value, class Which>
Estimate mean_over(const std::vector<ImageMeasures>& images, double most, Value value, Which which) {
  std::vector<double> values;
  for (const ImageMeasures& image : images)
    if (which(image)) values.push_back(value(image));
  return mean_of(values, 0, most);
}

template <class Value>
Estimate mean_over(const std::vector<ImageMeasures>& images, double most, Value value) {
  return mean_over(images, most, value, [](const ImageMeasures&) { return true; });
}

}  // namespace

double Sweep::mean_accuracy(std::int64_t r) const {
  check(r);
  need_labels();
  std::int64_t right = 0;
  for (std::int64_t dy = -r; dy <= r; ++dy)
    for (std::int64_t dx = -r; dx <= r; ++dx) right += right_[place(dy, dx)];
  return share(right, images_ * (2 * r + 1) * (2 * r + 1));
}

bool Sweep::always_right(std::int64_t image, std::int64_t r) const {
  const std::int64_t label = predictions_.labels[static_cast<std::size_t>(image)];
  const std::uint16_t* const middle = predictions_.predicted.data() + index(image, 0, 0);
  for (std::int64_t dy = -r; dy <= r; ++dy)
    for (std::int64_t dx = -r; dx <= r; ++dx)
      if (middle[dy * side() + dx] != label) return false;
  return true;
}

Estimate Sweep::worst_case(std::int64_t r, bool uncut_only) const {
  check(r);
  need_labels();
  std::int64_t all = 0;
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < images_; ++i) {
    if (uncut_only && predictions_.room[static_cast<std::size_t>(i)] < r) continue;
    ++all;
    right += always_right(i, r) ? 1 : 0;
  }
  return wilson(right, all);
}

double Sweep::worst_case_accuracy(std::int64_t r) const { return worst_case(r, false).value; }
double Sweep::worst_case_accuracy_of_uncut(std::int64_t r) const { return worst_case(r, true).value; }

double Sweep::uncut_share(std::int64_t r) const {
  check(r);
  return share(std::count_if(predictions_.room.begin(), predictions_.room.end(), [&](std::int64_t room) { return room >= r; }), images_);
}

Measures Sweep::measures(std::int64_t r) const {
  check(r);
  std::vector<ImageMeasures> images;
  ImageMeasurer measurer(predictions_, r);
  for (std::int64_t i = 0; i < images_; ++i) images.push_back(measurer.of(i));
  const auto right_in_place = [](const ImageMeasures& image) { return image.right_in_place; };
  const auto flipped = std::count_if(images.begin(), images.end(), [](const ImageMeasures& image) { return image.same < 1; });
  const auto uncut = std::count_if(predictions_.room.begin(), predictions_.room.end(), [&](std::int64_t room) { return room >= r; });

  Measures found;
  found.r = r;
  found.anchor_consistency = mean_over(images, 1, [](const ImageMeasures& image) { return image.same; });
  found.consistency = mean_over(images, 1, [](const ImageMeasures& image) { return image.equal_pairs; });
  found.flip_rate = wilson(flipped, images_);
  found.max_change = mean_over(images, infinity, [](const ImageMeasures& image) { return image.max_change; });
  found.mean_change = mean_over(images, infinity, [](const ImageMeasures& image) { return image.mean_change; });
  found.jaggedness = mean_over(images, 1, [](const ImageMeasures& image) { return image.changed_steps; });
  found.uncut_share = wilson(uncut, images_);
  if (!labelled()) return found;
  found.accuracy = wilson(std::count_if(images.begin(), images.end(), right_in_place), images_);
  found.mean_accuracy = mean_over(images, 1, [](const ImageMeasures& image) { return image.right; });
  found.worst_case_accuracy = worst_case(r, false);
  found.consistency_given_correct = mean_over(
      images, 1, [](const ImageMeasures& image) { return image.same; }, right_in_place);
  found.label_deviation = mean_over(images, infinity, [](const ImageMeasures& image) { return image.deviation; });
  found.worst_case_accuracy_of_uncut = worst_case(r, true);
  return found;
}

}  // namespace linn::shift
