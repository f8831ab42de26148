#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "linn/error.h"
#include "linn/shift.h"
#include "shift/shifted_input.h"

namespace linn::shift {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double z = 1.959963984540054;  // half of the two-sided 95 % lie this many standard deviations out

double share(std::int64_t count, std::int64_t all) { return static_cast<double>(count) / static_cast<double>(all); }

// Welford's running mean and squared deviations: no difference of large squares.
struct RunningVariance {
  std::int64_t count = 0;
  double mean = 0;
  double squares = 0;

  void add(double value) {
    ++count;
    const double before = value - mean;
    mean += before / static_cast<double>(count);
    squares += before * (value - mean);
  }
};

// One image's numbers within a radius.
struct ImageMeasures {
  double right = nan;  // share of the shifts
  double same = nan;
  double pairs = nan;
  double steps = nan;  // share at which the class changes
  double max_change = nan, mean_change = nan;
  double deviation = nan;
  bool right_in_place = false;
};

// Reads one image's predictions in a window around the zero shift.
class Window {
 public:
  Window(const Predictions& predictions, std::int64_t r)
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
    double equal = 0;  // pairs of shifts with one class
    each([&](std::size_t i) {
      const auto count = static_cast<double>(std::exchange(counts_[predictions_.predicted[i]], 0));
      equal += count * count;
    });
    found.pairs = equal / (static_cast<double>(shifts()) * static_cast<double>(shifts()));
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
    found.steps = share(changed, 2 * (2 * r_ + 1) * 2 * r_);
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
  std::vector<std::int64_t> counts_;  // by class; all 0 between images
};

template <class Value, class Which>
Estimate over(const std::vector<ImageMeasures>& images, double most, Value value, Which which) {
  std::vector<double> values;
  for (const ImageMeasures& image : images)
    if (which(image)) values.push_back(value(image));
  return mean_of(values, 0, most);
}

template <class Value>
Estimate over(const std::vector<ImageMeasures>& images, double most, Value value) {
  return over(images, most, value, [](const ImageMeasures&) { return true; });
}

}  // namespace

Estimate wilson(std::int64_t count, std::int64_t all) {
  if (count < 0 || count > all) throw ValueError(fmt::format("[shift] {} of {} came; a count from 0 to the whole is allowed", count, all));
  if (all == 0) return {};
  const auto n = static_cast<double>(all);
  const double p = static_cast<double>(count) / n;
  const double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  // At the ends the sum is exact in mathematics, not in doubles.
  return {p, count == 0 ? 0 : std::max(0.0, middle - half), count == all ? 1 : std::min(1.0, middle + half)};
}

Estimate mean_of(const std::vector<double>& values, double least, double most) {
  if (values.empty()) return {};
  RunningVariance spread;
  for (const double value : values) spread.add(value);
  if (std::isnan(spread.mean)) return {};
  if (spread.count < 2) return {spread.mean, nan, nan};
  const double half = z * std::sqrt(spread.squares / static_cast<double>(spread.count - 1) / static_cast<double>(spread.count));
  return {spread.mean, std::max(least, spread.mean - half), std::min(most, spread.mean + half)};
}

Sweep::Sweep(Predictions predictions) : predictions_(std::move(predictions)), images_(static_cast<std::int64_t>(predictions_.room.size())) {
  if (radius() < 0 || radius() > largest_radius)
    throw ValueError(fmt::format("[shift] radius {} came; 0 to {} is allowed", radius(), largest_radius));
  if (classes() < 2 || classes() > 65'536) throw ValueError(fmt::format("[shift] {} classes came; 2 to 65,536 are allowed", classes()));
  if (images_ == 0) throw ValueError("[shift] no images came; at least one is needed");
  const auto shifts = static_cast<std::size_t>(side() * side());
  const std::size_t pairs = shifts * predictions_.room.size();
  const auto agrees = [&](std::size_t size, std::size_t with) { return size == 0 || size == with; };
  if (predictions_.predicted.size() != pairs || !agrees(predictions_.change.size(), pairs) || !agrees(predictions_.label_value.size(), pairs) ||
      !agrees(predictions_.labels.size(), predictions_.room.size()))
    throw ShapeError(fmt::format(
        "[shift] {} predictions, {} changes, {} values and {} labels came for {} images and {} shifts; {} of the first "
        "three are needed, the last three may be left out",
        predictions_.predicted.size(), predictions_.change.size(), predictions_.label_value.size(), predictions_.labels.size(), images_, shifts, pairs));
  for (const std::int64_t label : predictions_.labels)
    if (label < 0 || label >= classes()) throw ValueError(fmt::format("[shift] label {} came; 0 to {} are allowed", label, classes() - 1));
  right_.assign(shifts, 0);
  same_.assign(shifts, 0);
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::size_t image = i / shifts;
    const std::int64_t predicted = predictions_.predicted[i];
    if (predicted >= classes())
      throw ValueError(fmt::format("[shift] class {} at {} came; 0 to {} are allowed", predicted, i, classes() - 1));
    same_[i % shifts] += predicted == predictions_.predicted[image * shifts + shifts / 2] ? 1 : 0;
    if (labelled()) right_[i % shifts] += predicted == predictions_.labels[image] ? 1 : 0;
  }
}

std::size_t Sweep::place(std::int64_t dy, std::int64_t dx) const {
  check(dy < 0 ? -dy : dy);
  check(dx < 0 ? -dx : dx);
  return static_cast<std::size_t>((dy + radius()) * side() + dx + radius());
}

std::size_t Sweep::index(std::int64_t image, std::int64_t dy, std::int64_t dx) const {
  if (image < 0 || image >= images_) throw ValueError(fmt::format("[shift] image {} came; 0 to {} are allowed", image, images_ - 1));
  return static_cast<std::size_t>(image * side() * side()) + place(dy, dx);
}

void Sweep::check(std::int64_t r) const {
  if (r < 0 || r > radius()) throw ValueError(fmt::format("[shift] a shift of {} came; the sweep goes from 0 to {}", r, radius()));
}

void Sweep::need_labels() const {
  if (!labelled()) throw StateError("[shift] no labels came with the images: consistency and changes are measured, accuracy cannot be");
}

std::int64_t Sweep::predicted(std::int64_t image, std::int64_t dy, std::int64_t dx) const {
  return predictions_.predicted[index(image, dy, dx)];
}

std::int64_t Sweep::label(std::int64_t image) const {
  need_labels();
  index(image, 0, 0);
  return predictions_.labels[static_cast<std::size_t>(image)];
}

bool Sweep::correct(std::int64_t image, std::int64_t dy, std::int64_t dx) const { return predicted(image, dy, dx) == label(image); }

std::optional<Shift> Sweep::nearest_flip(std::int64_t image) const {
  const std::int64_t in_place = predicted(image, 0, 0);
  std::optional<Shift> nearest;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t dy = -radius(); dy <= radius(); ++dy)
    for (std::int64_t dx = -radius(); dx <= radius(); ++dx)
      if (const std::int64_t distance = dy * dy + dx * dx; distance < least && predicted(image, dy, dx) != in_place) {
        least = distance;
        nearest = Shift{dy, dx};
      }
  return nearest;
}

double Sweep::accuracy(std::int64_t dy, std::int64_t dx) const {
  need_labels();
  return share(right_[place(dy, dx)], images_);
}

double Sweep::unchanged(std::int64_t dy, std::int64_t dx) const { return share(same_[place(dy, dx)], images_); }

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
  Window window(predictions_, r);
  for (std::int64_t i = 0; i < images_; ++i) images.push_back(window.of(i));
  const auto right_in_place = [](const ImageMeasures& image) { return image.right_in_place; };
  const auto flipped = std::count_if(images.begin(), images.end(), [](const ImageMeasures& image) { return image.same < 1; });
  const auto uncut = std::count_if(predictions_.room.begin(), predictions_.room.end(), [&](std::int64_t room) { return room >= r; });

  Measures found;
  found.r = r;
  found.anchor_consistency = over(images, 1, [](const ImageMeasures& image) { return image.same; });
  found.consistency = over(images, 1, [](const ImageMeasures& image) { return image.pairs; });
  found.flip_rate = wilson(flipped, images_);
  found.max_change = over(images, infinity, [](const ImageMeasures& image) { return image.max_change; });
  found.mean_change = over(images, infinity, [](const ImageMeasures& image) { return image.mean_change; });
  found.jaggedness = over(images, 1, [](const ImageMeasures& image) { return image.steps; });
  found.uncut_share = wilson(uncut, images_);
  if (!labelled()) return found;
  found.accuracy = wilson(std::count_if(images.begin(), images.end(), right_in_place), images_);
  found.mean_accuracy = over(images, 1, [](const ImageMeasures& image) { return image.right; });
  found.worst_case_accuracy = worst_case(r, false);
  found.consistency_given_correct = over(
      images, 1, [](const ImageMeasures& image) { return image.same; }, right_in_place);
  found.label_deviation = over(images, infinity, [](const ImageMeasures& image) { return image.deviation; });
  found.worst_case_accuracy_of_uncut = worst_case(r, true);
  return found;
}

std::vector<CurvePoint> Sweep::curve() const {
  const auto points = static_cast<std::size_t>(radius() + 1);
  std::vector<std::vector<std::size_t>> rings(points);  // places of the shifts by distance
  for (std::int64_t dy = -radius(); dy <= radius(); ++dy)
    for (std::int64_t dx = -radius(); dx <= radius(); ++dx)
      if (const auto distance = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(dy * dy + dx * dx)))); distance < points)
        rings[distance].push_back(place(dy, dx));
  const auto shifts = static_cast<std::size_t>(side() * side());
  std::vector<CurvePoint> curve;
  for (std::size_t distance = 0; distance < points; ++distance) {
    const std::vector<std::size_t>& ring = rings[distance];
    std::vector<double> right, changed, change;
    for (std::size_t i = 0; i < predictions_.room.size(); ++i) {
      std::int64_t right_count = 0;
      std::int64_t changed_count = 0;
      double sum = 0;
      for (const std::size_t at : ring) {
        const std::size_t pair = i * shifts + at;
        if (labelled()) right_count += predictions_.predicted[pair] == predictions_.labels[i] ? 1 : 0;
        changed_count += predictions_.predicted[pair] != predictions_.predicted[i * shifts + shifts / 2] ? 1 : 0;
        if (!predictions_.change.empty()) sum += static_cast<double>(predictions_.change[pair]);
      }
      const auto all = static_cast<std::int64_t>(ring.size());
      if (labelled()) right.push_back(share(right_count, all));
      changed.push_back(share(changed_count, all));
      if (!predictions_.change.empty()) change.push_back(sum / static_cast<double>(all));
    }
    curve.push_back({static_cast<std::int64_t>(distance), static_cast<std::int64_t>(ring.size()), mean_of(right, 0, 1),
                     mean_of(changed, 0, 1), mean_of(change, 0, infinity)});
  }
  return curve;
}

Tensor Sweep::share_map(const std::vector<std::int64_t>& counts) const {
  Tensor map(Shape{side(), side()}, DType::f64);
  const auto values = map.values<double>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = share(counts[i], images_);
  return map;
}

Tensor Sweep::map() const {
  need_labels();
  return share_map(right_);
}

Tensor Sweep::unchanged_map() const { return share_map(same_); }

Tensor Sweep::change_map() const {
  if (predictions_.change.empty()) throw StateError("[shift] how far the model's values change was not kept with these predictions");
  Tensor map(Shape{side(), side()}, DType::f64);
  const auto values = map.values<double>();
  for (std::size_t i = 0; i < predictions_.change.size(); ++i) values[i % values.size()] += static_cast<double>(predictions_.change[i]);
  for (double& value : values) value /= static_cast<double>(images_);
  return map;
}

}  // namespace linn::shift
