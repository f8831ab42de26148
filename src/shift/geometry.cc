#include "shift/geometry.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/checked.h"

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
  // The phase that a polyphase layer keeps depends on the image, and so does the place of its cells.
  return {.extent = (on.size.*axis - 1) * on.dilation.*axis + 1,
          .stride = on.strides.*axis,
          .before = (on.pads.*pads).before,
          .known = on.kind != OnMap::polyphase};
}

// Whether the output is a map with a known number of pixels between its cells.
bool keeps_grid(const OnMap& on) {
  return acts_on_cells(on) || on.kind == OnMap::window || on.kind == OnMap::pad || on.kind == OnMap::polyphase;
}

AxisGeometry behind(const AxisGeometry& in, const Window& window, std::int64_t size) {
  AxisGeometry out{.stride = in.stride * window.stride, .size = size};
  out.first_inside = detail::core::ceil_div(std::max<std::int64_t>(0, in.first_inside + window.before), window.stride);
  const std::int64_t last_start = in.last_inside - window.extent + 1 + window.before;
  out.last_inside = last_start < 0 ? -1 : std::min(size - 1, last_start / window.stride);
  return out;
}

// Cells of a merged map are inside where those of all inputs are.
void narrow(AxisGeometry& axis, const AxisGeometry& other) {
  axis.first_inside = std::max(axis.first_inside, other.first_inside);
  axis.last_inside = std::min(axis.last_inside, other.last_inside);
}

// The grid that the inputs of a call have in common. Values without places, as behind a global pooling, fit every grid.
MapGeometry merged(const NetworkCall& call, const std::vector<MapGeometry>& inputs) {
  MapGeometry all{.map = false};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const MapGeometry& input = inputs[i];
    if (!input.map && input.unknown.empty() && is_one_place(call.input_shapes[i])) continue;
    if (!input.map) return {.map = false, .unknown = input.unknown};
    if (!all.map) {
      all = input;
      continue;
    }
    if (input.y.stride != all.y.stride || input.x.stride != all.x.stride)
      return {.map = false,
              .unknown = fmt::format("{} joins maps of strides {} x {} and {} x {}", call.name, all.y.stride, all.x.stride, input.y.stride,
                                     input.x.stride)};
    all.inside = all.inside && input.inside;
    narrow(all.y, input.y);
    narrow(all.x, input.x);
  }
  return all;
}

MapGeometry geometry_behind(const NetworkCall& call, const std::vector<MapGeometry>& inputs) {
  MapGeometry now = merged(call, inputs);
  if (!now.map) return now;
  if (call.on.kind == OnMap::global || call.on.kind == OnMap::flatten) return {.map = false};
  if (!keeps_grid(call.on) || call.output().rank() != 3)
    return {.map = false, .unknown = fmt::format("what {} ({}) does to its map is not known", call.name, call.class_name)};
  const Window down = window_of(call.on, &Size2::height, &Pads2::height), right = window_of(call.on, &Size2::width, &Pads2::width);
  now.inside = now.inside && down.known && right.known;
  now.y = behind(now.y, down, call.output()[0]);
  now.x = behind(now.x, right, call.output()[1]);
  return now;
}

}  // namespace

std::vector<MapGeometry> geometry_of(const Network& network) {
  const Shape& input = network.input_shape;
  MapGeometry image{.map = input.rank() == 3, .inside = true};
  if (image.map) {
    image.y = {.size = input[0], .last_inside = input[0] - 1};
    image.x = {.size = input[1], .last_inside = input[1] - 1};
  }
  std::vector<MapGeometry> all;
  for (const NetworkCall& call : network.calls) {
    std::vector<MapGeometry> inputs;
    for (const Source source : call.inputs) inputs.push_back(source.call == Source::image ? image : all[source.call]);
    all.push_back(geometry_behind(call, inputs));
  }
  return all;
}

}  // namespace linn::shift
