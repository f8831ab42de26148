#include "shift/geometry.h"

#include <algorithm>

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

Window window_of(const OnMap& on, std::int64_t Size2::*axis, Pads1 Pads2::*pads) {
  // Which phase a polyphase layer takes differs from image to image, and with it where the cells lie.
  return {.extent = (on.size.*axis - 1) * on.dilation.*axis + 1,
          .stride = on.strides.*axis,
          .before = (on.pads.*pads).before,
          .known = on.kind != OnMap::polyphase};
}

// Whether a map leaves the layer whose cells lie a known number of pixels apart.
bool keeps_grid(const OnMap& on) {
  return acts_on_cells(on) || on.kind == OnMap::window || on.kind == OnMap::pad || on.kind == OnMap::polyphase;
}

AxisGeometry behind(const AxisGeometry& in, const Window& window, std::int64_t size) {
  AxisGeometry out{.stride = in.stride * window.stride, .size = size};
  out.first_inside = core::ceil_div(std::max<std::int64_t>(0, in.first_inside + window.before), window.stride);
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
    now.map = now.map && layer.output.rank() == 3 && keeps_grid(layer.on);
    if (now.map) {
      const Window down = window_of(layer.on, &Size2::height, &Pads2::height);
      const Window right = window_of(layer.on, &Size2::width, &Pads2::width);
      now.inside = now.inside && down.known && right.known;
      now.y = behind(now.y, down, layer.output[0]);
      now.x = behind(now.x, right, layer.output[1]);
    }
    all.push_back(now);
  }
  return all;
}

}  // namespace linn::shift
