#include "shift/geometry.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/checked.h"
#include "shift/network.h"

namespace linn::shift {
namespace {

// A layer's window along one axis.
struct Window {
  std::int64_t extent = 1;  // pixels from its first cell to its last, both included
  std::int64_t stride = 1;
  std::int64_t before = 0;  // padding
  bool known = true;        // whether extent and padding are
};

Window window_of(const NetworkLayer& layer, std::int64_t Size2::*axis, std::int64_t input) {
  if (acts_on_pixels(layer.class_name)) return {};
  static constexpr std::array<std::string_view, 3> windowed = {"Conv2D", "MaxPooling2D", "AveragePooling2D"};
  Window window{.extent = (layer.window().*axis - 1) * layer.dilation().*axis + 1, .stride = layer.strides().*axis};
  window.known = std::find(windowed.begin(), windowed.end(), layer.class_name) != windowed.end();
  const std::string padding = layer.padding();
  if (padding == "same" || padding == "circular")
    window.before = std::max<std::int64_t>(0, (core::ceil_div(input, window.stride) - 1) * window.stride + window.extent - input) / 2;
  else if (padding == "full")
    window.before = window.extent - 1;
  return window;
}

AxisGeometry behind(const AxisGeometry& in, const Window& window, std::int64_t size) {
  AxisGeometry out{.stride = in.stride * window.stride, .size = size};
  out.first_inside = core::ceil_div(in.first_inside + window.before, window.stride);
  const std::int64_t last_start = in.last_inside - window.extent + 1 + window.before;
  out.last_inside = last_start < 0 ? -1 : std::min(size - 1, last_start / window.stride);
  return out;
}

}  // namespace

std::vector<MapGeometry> geometry_of(const Sequential& model) {
  const Shape input = model.input_shape();
  MapGeometry now{.map = true, .inside = true};
  now.y = {.size = input[0], .last_inside = input[0] - 1};
  now.x = {.size = input[1], .last_inside = input[1] - 1};
  std::vector<MapGeometry> all;
  for (const NetworkLayer& layer : layers_of(model)) {
    now.map = now.map && layer.output.rank() == 3 && !is_global_pooling(layer.class_name);
    if (now.map) {
      const Window down = window_of(layer, &Size2::height, now.y.size);
      const Window right = window_of(layer, &Size2::width, now.x.size);
      now.inside = now.inside && down.known && right.known;
      now.y = behind(now.y, down, layer.output[0]);
      now.x = behind(now.x, right, layer.output[1]);
    }
    all.push_back(now);
  }
  return all;
}

}  // namespace linn::shift
