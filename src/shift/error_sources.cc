// Translation equivariance error of each layer, and which changes of class come from subsampling, borders and the head.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "core/worker_pool.h"
#include "linn/error.h"
#include "linn/shift.h"
#include "shift/geometry.h"
#include "shift/intervals.h"
#include "shift/network.h"
#include "shift/scores.h"
#include "shift/shifted_input.h"
#include "shift/text.h"

namespace linn::shift {
namespace {

constexpr std::int64_t largest_comparison_radius = 16;

using Outputs = std::vector<Tensor>;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

bool is_multiple(Shift d, Size2 stride) { return d.dy % stride.height == 0 && d.dx % stride.width == 0; }

// Alignments or cells along one axis, both ends included.
struct Range {
  std::int64_t first, last;
};

// The whole numbers q next to d / stride: floor and ceiling, equal for multiples of the stride.
Range alignments(std::int64_t d, std::int64_t stride) { return {floor_div(d, stride), -floor_div(-d, stride)}; }

// The cells of the moved map that have a partner in the map at shift 0 under every alignment q. `inside`: only cells whose window does not
// reach a border.
Range compared_cells(const AxisGeometry& axis, Range q, bool inside) {
  const std::int64_t first = inside ? axis.first_inside : 0;
  const std::int64_t last = inside ? axis.last_inside : axis.size - 1;
  return {std::max(first, first + q.last), std::min(last, last + q.first)};
}

// Sums over a part of one image's map.
struct Difference {
  double squares = 0;  // of differences
  double norm = 0;     // squares of the moved image's map

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

// The difference between the map at shift 0, moved by q cells, and the map of the moved image, on these rows and columns of the second.
Difference compare(const float* in_place, const float* moved, std::int64_t map_width, std::int64_t channels, Range rows, Range columns,
                   Shift q) {
  Difference sum;
  const std::int64_t width = (columns.last - columns.first + 1) * channels;
  if (width <= 0) return sum;
  for (std::int64_t y = rows.first; y <= rows.last; ++y)
    add(sum, in_place + ((y - q.dy) * map_width + columns.first - q.dx) * channels, moved + (y * map_width + columns.first) * channels,
        width);
  return sum;
}

// One layer's error at one shift: means over the images whose map is not all zeros.
struct ErrorAtShift {
  double whole = nan;   // all cells
  double inside = nan;  // cells whose window does not reach a border; only at multiples of the stride
};

// A mean that skips NaN; NaN for no value.
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

// Compares one layer's outputs at shift 0 and at one other shift.
class LayerComparison {
 public:
  LayerComparison(const Tensor& in_place, const Tensor& moved, const MapGeometry& map)
      : in_place_(in_place), moved_(moved), map_(map), row_(moved.elements() / moved.shape()[0]) {}

  ErrorAtShift at(Shift d) const {
    const std::int64_t images = moved_.shape()[0];
    std::vector<double> whole(static_cast<std::size_t>(images)), inside(static_cast<std::size_t>(images), nan);
    detail::core::worker_pool().run(images, [&](std::int64_t image, int /*worker*/) {
      const auto i = static_cast<std::size_t>(image);
      whole[i] = map_.map ? equivariance_error(image, d, false) : invariance_error(image);
      if (map_.map && map_.inside && is_multiple(d, {map_.y.stride, map_.x.stride})) inside[i] = equivariance_error(image, d, true);
    });
    return {mean_of_finite(whole), mean_of_finite(inside)};
  }

 private:
  const float* of(const Tensor& maps, std::int64_t image) const { return maps.values<float>().data() + image * row_; }

  double invariance_error(std::int64_t image) const {
    Difference sum;
    add(sum, of(in_place_, image), of(moved_, image), row_);
    return sum.relative();
  }

  // The least error over the alignments by whole cells. All alignments are compared on the same cells.
  double equivariance_error(std::int64_t image, Shift d, bool inside) const {
    const Range down = alignments(d.dy, map_.y.stride);
    const Range right = alignments(d.dx, map_.x.stride);
    const Range rows = compared_cells(map_.y, down, inside);
    const Range columns = compared_cells(map_.x, right, inside);
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

// Compares the maps of all layers at all shifts and fills ErrorSources::layers.
class MapComparison {
 public:
  MapComparison(const Model& model, const ShiftedInput& shifted_input, const ErrorSourceOptions& options, ErrorSources& sources)
      : model_(model),
        shifted_input_(shifted_input),
        options_(options),
        sources_(sources),
        moved_(shifted_input.buffer(sources.images, shifted_input.frame({}))) {
    const std::int64_t side = 2 * sources.radius + 1;
    const Network network = network_of(model);
    const std::vector<MapGeometry> geometry = geometry_of(network);
    for (std::size_t call : last_calls(network)) {
      const std::size_t i = maps_.size();
      maps_.push_back(geometry[call]);
      LayerError layer{
          .name = network.calls[call].name, .class_name = network.calls[call].class_name, .error = Tensor(Shape{side, side}, DType::f64)};
      layer.unknown = maps_[i].unknown;
      if (maps_[i].map) {
        layer.stride = Size2(maps_[i].y.stride, maps_[i].x.stride);
        layer.size = Size2(maps_[i].y.size, maps_[i].x.size);
        sources.trunk = i;
        sources.stride = layer.stride;
      }
      sources.layers.push_back(std::move(layer));
    }
    means_.resize(maps_.size());
  }

  void run() {
    const Outputs in_place = outputs({});
    for (std::int64_t dy = -sources_.radius; dy <= sources_.radius; ++dy)
      for (std::int64_t dx = -sources_.radius; dx <= sources_.radius; ++dx) compare_at({dy, dx}, in_place);
    for (std::size_t i = 0; i < means_.size(); ++i) {
      sources_.layers[i].aligned = means_[i][0].value();
      sources_.layers[i].aligned_inside = means_[i][1].value();
      sources_.layers[i].misaligned = means_[i][2].value();
    }
  }

 private:
  // The calls whose outputs layer_outputs returns: for a layer with several calls the last one.
  static std::vector<std::size_t> last_calls(const Network& network) {
    std::map<std::string, std::size_t> last;
    for (std::size_t call = 0; call < network.calls.size(); ++call) last[network.calls[call].name] = call;
    std::vector<std::size_t> calls;
    for (std::size_t call = 0; call < network.calls.size(); ++call)
      if (last[network.calls[call].name] == call) calls.push_back(call);
    return calls;
  }

  // In the order of sources_.layers.
  Outputs outputs(Shift shift) {
    shifted_input_.view(0, sources_.images, shifted_input_.frame(shift), moved_);
    std::map<std::string, Tensor> by_name;
    for (auto& [name, output] : model_.layer_outputs(moved_, options_.accuracy)) by_name.emplace(name, output);
    Outputs ordered;
    for (const LayerError& layer : sources_.layers) ordered.push_back(by_name.at(layer.name));
    return ordered;
  }

  void compare_at(Shift d, const Outputs& in_place) {
    const Outputs moved = outputs(d);
    const std::int64_t side = 2 * sources_.radius + 1;
    for (std::size_t i = 0; i < maps_.size(); ++i) {
      const ErrorAtShift found = LayerComparison(in_place[i], moved[i], maps_[i]).at(d);
      sources_.layers[i].error.values<double>()[static_cast<std::size_t>((d.dy + sources_.radius) * side + d.dx + sources_.radius)] =
          found.whole;
      if (d == Shift{}) continue;
      // Layers behind the last map have no stride of their own; the stride of that map counts.
      const bool aligned = sources_.trunk && is_multiple(d, maps_[i].map ? sources_.layers[i].stride : sources_.stride);
      means_[i][aligned ? 0 : 2].add(found.whole);
      if (aligned) means_[i][1].add(found.inside);
    }
  }

  const Model& model_;
  const ShiftedInput& shifted_input_;
  const ErrorSourceOptions& options_;
  ErrorSources& sources_;
  std::vector<MapGeometry> maps_;
  std::vector<std::array<Mean, 3>> means_;  // by layer: aligned, aligned inside, misaligned
  Tensor moved_;                            // the images as the model sees them
};

// For each image the share of shifts with a changed class among the shifts other than 0 that `which` accepts; empty if it accepts none.
template <class Which>
std::vector<double> changed(const Sweep& sweep, Which which) {
  std::vector<std::size_t> places;
  const std::int64_t r = sweep.radius();
  for (std::int64_t dy = -r; dy <= r; ++dy)
    for (std::int64_t dx = -r; dx <= r; ++dx)
      if (const Shift d{dy, dx}; d != Shift{} && which(d)) places.push_back(static_cast<std::size_t>((dy + r) * (2 * r + 1) + dx + r));
  std::vector<double> shares;
  if (places.empty()) return shares;
  const auto shifts = static_cast<std::size_t>((2 * r + 1) * (2 * r + 1));
  const auto& predicted = sweep.predictions().predicted;
  for (std::size_t start = 0; start < predicted.size(); start += shifts) {
    const auto count =
        std::count_if(places.begin(), places.end(), [&](std::size_t at) { return predicted[start + at] != predicted[start + shifts / 2]; });
    shares.push_back(static_cast<double>(count) / static_cast<double>(places.size()));
  }
  return shares;
}

void split_classes(ErrorSources& sources, const Sweep& sweep) {
  if (!sources.trunk) return;
  const Size2 stride = sources.stride;
  const auto aligned = changed(sweep, [&](Shift d) { return is_multiple(d, stride); });
  sources.changed_aligned = mean_of(aligned, 0, 1);
  sources.changed_misaligned = mean_of(changed(sweep, [&](Shift d) { return !is_multiple(d, stride); }), 0, 1);
  const auto near =
      changed(sweep, [&](Shift d) { return !is_multiple(d, stride) && std::abs(d.dy) <= stride.height && std::abs(d.dx) <= stride.width; });
  if (aligned.empty() || near.empty()) return;
  std::vector<double> difference(aligned.size());
  std::transform(near.begin(), near.end(), aligned.begin(), difference.begin(), [](double a, double b) { return a - b; });
  const Estimate excess = mean_of(difference, -1, 1);
  if (excess.low > 0) sources.excess = excess;
}

}  // namespace

ErrorSources find_error_sources(const Model& given, const Tensor& images, const Sweep& sweep, const ErrorSourceOptions& options) {
  const FlatModel flat(given);
  const Model& model = *flat;
  if (options.images < 1) throw ValueError(fmt::format("[shift] images {} came; 1 or more is allowed", options.images));
  check_classifier(model);
  const Frames from = frames(images);
  if (sweep.images() != from.images)
    throw ShapeError(
        fmt::format("[shift] {} images came with a sweep of {}; the sweep's own images are needed", from.images, sweep.images()));
  const std::vector<MapGeometry> maps = geometry_of(network_of(model));
  ErrorSources found{.images = std::min(options.images, from.images), .radius = options.radius};
  if (found.radius == 0) {
    std::int64_t stride = 1;
    for (const MapGeometry& map : maps)
      if (map.map) stride = std::max({stride, map.y.stride, map.x.stride});
    found.radius = std::min({stride, largest_comparison_radius, most_radius(from, options.border, model.input_shape())});
  }
  const ShiftedInput shifted_input(images.rows(0, found.images), options.border, model.input_shape(), found.radius,
                                   sweep.predictions().fill);
  MapComparison(model, shifted_input, options, found).run();
  split_classes(found, sweep);
  found.text = error_source_text(found, sweep);
  return found;
}

}  // namespace linn::shift
