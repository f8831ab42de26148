#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/worker_pool.h"
#include "linn/error.h"
#include "linn/shift.h"
#include "shift/border.h"
#include "shift/geometry.h"
#include "shift/scores.h"
#include "shift/text.h"

namespace linn::shift {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t largest_blame_radius = 16;

using Outputs = std::vector<std::pair<std::string, Tensor>>;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

bool is_multiple(Step d, Size2 stride) { return d.dy % stride.height == 0 && d.dx % stride.width == 0; }

// Alignments and cells along one axis.
struct Range {
  std::int64_t first, last;
};

// The whole q next to d / stride.
Range alignments(std::int64_t d, std::int64_t stride) { return {floor_div(d, stride), -floor_div(-d, stride)}; }

// The cells of the moved map that have a partner in the map in place under each of the alignments.
Range partners(const AxisGeometry& axis, Range q, bool inside) {
  const std::int64_t first = inside ? axis.first_inside : 0;
  const std::int64_t last = inside ? axis.last_inside : axis.size - 1;
  return {std::max(first, first + q.last), std::min(last, last + q.first)};
}

// Sums over a part of one image's map.
struct Difference {
  double squares = 0;  // of differences
  double norm = 0;     // squares of the moved image's own map

  double relative() const { return norm > 0 ? std::sqrt(squares / norm) : nan; }
};

void add(Difference& sum, const float* a, const float* b, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto moved = static_cast<double>(b[i]);
    const double difference = static_cast<double>(a[i]) - moved;
    sum.squares += difference * difference;
    sum.norm += moved * moved;
  }
}

// How far the map in place, moved by q cells, is from that of the moved image on these rows and columns of the latter.
Difference compare(const float* in_place, const float* moved, std::int64_t columns_all, std::int64_t channels, Range rows, Range columns,
                   Step q) {
  Difference sum;
  const std::int64_t width = (columns.last - columns.first + 1) * channels;
  if (width <= 0) return sum;
  for (std::int64_t y = rows.first; y <= rows.last; ++y)
    add(sum, in_place + ((y - q.dy) * columns_all + columns.first - q.dx) * channels, moved + (y * columns_all + columns.first) * channels,
        width);
  return sum;
}

// One layer's error at one shift, as means over images that give anything but zeros.
struct AtShift {
  double whole = nan;
  double inside = nan;
};

// A mean that leaves NaN out; NaN of nothing.
struct Mean {
  double sum = 0;
  std::int64_t count = 0;

  void add(double value) {
    if (std::isnan(value)) return;
    sum += value;
    ++count;
  }
  double value() const { return count > 0 ? sum / static_cast<double>(count) : nan; }
};

class LayerComparison {
 public:
  LayerComparison(const Tensor& in_place, const Tensor& moved, const MapGeometry& map)
      : in_place_(in_place), moved_(moved), map_(map), row_(moved.elements() / moved.shape()[0]) {}

  AtShift at(Step d) const {
    const std::int64_t images = moved_.shape()[0];
    std::vector<double> whole(static_cast<std::size_t>(images)), inside(static_cast<std::size_t>(images), nan);
    core::worker_pool().run(images, [&](std::int64_t image, int /*worker*/) {
      const auto i = static_cast<std::size_t>(image);
      whole[i] = map_.map ? best(image, d, false) : invariance(image);
      if (map_.map && map_.inside && is_multiple(d, {map_.y.stride, map_.x.stride})) inside[i] = best(image, d, true);
    });
    return {mean_of_finite(whole), mean_of_finite(inside)};
  }

 private:
  const float* of(const Tensor& maps, std::int64_t image) const { return maps.values<float>().data() + image * row_; }

  double invariance(std::int64_t image) const {
    Difference sum;
    add(sum, of(in_place_, image), of(moved_, image), row_);
    return sum.relative();
  }

  // The least over the alignments, all of them on the same cells.
  double best(std::int64_t image, Step d, bool inside) const {
    const Range down = alignments(d.dy, map_.y.stride);
    const Range right = alignments(d.dx, map_.x.stride);
    const Range rows = partners(map_.y, down, inside);
    const Range columns = partners(map_.x, right, inside);
    double least = nan;
    for (std::int64_t dy = down.first; dy <= down.last; ++dy)
      for (std::int64_t dx = right.first; dx <= right.last; ++dx)
        least = std::fmin(
            least, compare(of(in_place_, image), of(moved_, image), map_.x.size, moved_.shape()[3], rows, columns, {dy, dx}).relative());
    return least;
  }

  static double mean_of_finite(const std::vector<double>& values) {
    Mean mean;
    for (const double value : values) mean.add(value);
    return mean.value();
  }

  const Tensor& in_place_;
  const Tensor& moved_;
  const MapGeometry& map_;
  std::int64_t row_;
};

// Fills Blame::layers.
class MapComparison {
 public:
  MapComparison(const Sequential& model, const Scene& scene, const BlameOptions& options, Blame& blame)
      : model_(model),
        scene_(scene),
        options_(options),
        blame_(blame),
        maps_(geometry_of(model)),
        means_(maps_.size()),
        moved_(scene.buffer(blame.images, scene.frame({}))) {
    const std::int64_t side = 2 * blame.radius + 1;
    const std::vector<Layer> layers = model.layers();
    const std::vector<std::string> names = model.layer_names();
    for (std::size_t i = 0; i < layers.size(); ++i) {
      LayerError layer{.name = names[i], .class_name = std::string(layers[i].class_name()), .error = Tensor(Shape{side, side}, DType::f64)};
      if (maps_[i].map) {
        layer.stride = Size2(maps_[i].y.stride, maps_[i].x.stride);
        layer.size = Size2(maps_[i].y.size, maps_[i].x.size);
        if (layer.class_name != "InputLayer") {
          blame.trunk = i;
          blame.stride = layer.stride;
        }
      }
      blame.layers.push_back(std::move(layer));
    }
  }

  void run() {
    const Outputs in_place = outputs({});
    for (std::int64_t dy = -blame_.radius; dy <= blame_.radius; ++dy)
      for (std::int64_t dx = -blame_.radius; dx <= blame_.radius; ++dx) compare_at({dy, dx}, in_place);
    for (std::size_t i = 0; i < means_.size(); ++i) {
      blame_.layers[i].aligned = means_[i][0].value();
      blame_.layers[i].aligned_inside = means_[i][1].value();
      blame_.layers[i].misaligned = means_[i][2].value();
    }
  }

 private:
  Outputs outputs(Step shift) {
    scene_.view(0, blame_.images, scene_.frame(shift), moved_);
    return model_.layer_outputs(moved_, options_.input_scale, options_.accuracy);
  }

  void compare_at(Step d, const Outputs& in_place) {
    const Outputs moved = outputs(d);
    const std::int64_t side = 2 * blame_.radius + 1;
    for (std::size_t i = 0; i < maps_.size(); ++i) {
      const AtShift found = LayerComparison(in_place[i].second, moved[i].second, maps_[i]).at(d);
      blame_.layers[i].error.values<double>()[static_cast<std::size_t>((d.dy + blame_.radius) * side + d.dx + blame_.radius)] = found.whole;
      if (d == Step{}) continue;
      // What is behind the maps is judged by the stride of the last of them.
      const bool aligned = blame_.trunk && is_multiple(d, maps_[i].map ? blame_.layers[i].stride : blame_.stride);
      means_[i][aligned ? 0 : 2].add(found.whole);
      if (aligned) means_[i][1].add(found.inside);
    }
  }

  const Sequential& model_;
  const Scene& scene_;
  const BlameOptions& options_;
  Blame& blame_;
  std::vector<MapGeometry> maps_;
  std::vector<std::array<Mean, 3>> means_;  // by layer: aligned, the same inside, misaligned
  Tensor moved_;                            // the images as the model sees them
};

// Shares of changed classes, one number an image, over the shifts that `which` takes.
template <class Which>
std::vector<double> changed(const Sweep& sweep, Which which) {
  std::vector<std::size_t> places;
  const std::int64_t r = sweep.radius();
  for (std::int64_t dy = -r; dy <= r; ++dy)
    for (std::int64_t dx = -r; dx <= r; ++dx)
      if (const Step d{dy, dx}; d != Step{} && which(d)) places.push_back(static_cast<std::size_t>((dy + r) * (2 * r + 1) + dx + r));
  std::vector<double> shares;
  if (places.empty()) return shares;
  const auto shifts = static_cast<std::size_t>((2 * r + 1) * (2 * r + 1));
  const auto& predicted = sweep.answers().predicted;
  for (std::size_t start = 0; start < predicted.size(); start += shifts) {
    const auto count =
        std::count_if(places.begin(), places.end(), [&](std::size_t at) { return predicted[start + at] != predicted[start + shifts / 2]; });
    shares.push_back(static_cast<double>(count) / static_cast<double>(places.size()));
  }
  return shares;
}

void split_classes(Blame& blame, const Sweep& sweep) {
  if (!blame.trunk) return;
  const Size2 stride = blame.stride;
  const auto aligned = changed(sweep, [&](Step d) { return is_multiple(d, stride); });
  blame.changed_aligned = mean_of(aligned, 0, 1);
  blame.changed_misaligned = mean_of(changed(sweep, [&](Step d) { return !is_multiple(d, stride); }), 0, 1);
  const auto near =
      changed(sweep, [&](Step d) { return !is_multiple(d, stride) && std::abs(d.dy) <= stride.height && std::abs(d.dx) <= stride.width; });
  if (aligned.empty() || near.empty()) return;
  std::vector<double> difference(aligned.size());
  std::transform(near.begin(), near.end(), aligned.begin(), difference.begin(), [](double a, double b) { return a - b; });
  const Estimate excess = mean_of(difference, -1, 1);
  if (excess.low > 0) blame.excess = excess;
}

}  // namespace

Blame blame(const Sequential& model, const Tensor& images, const Sweep& sweep, const BlameOptions& options) {
  if (options.images < 1) throw ValueError(fmt::format("[shift] images {} came; 1 or more is allowed", options.images));
  check_classifier(model);
  const Frames from = frames(images);
  if (sweep.images() != from.images)
    throw ShapeError(
        fmt::format("[shift] {} images came with a sweep of {}; the sweep's own images are needed", from.images, sweep.images()));
  const std::vector<MapGeometry> maps = geometry_of(model);
  Blame found{.images = std::min(options.images, from.images), .radius = options.radius};
  if (found.radius == 0) {
    std::int64_t stride = 1;
    for (const MapGeometry& map : maps)
      if (map.map) stride = std::max({stride, map.y.stride, map.x.stride});
    found.radius = std::min({stride, largest_blame_radius, most_radius(from, options.border, model.input_shape())});
  }
  const Scene scene(images.rows(0, found.images), options.border, model.input_shape(), found.radius);
  MapComparison(model, scene, options, found).run();
  split_classes(found, sweep);
  found.text = words_of(found, sweep);
  return found;
}

}  // namespace linn::shift
