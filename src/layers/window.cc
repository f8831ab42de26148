#include "layers/window.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "linn/error.h"
#include "schema/type.h"

namespace linn::detail::layers {

std::string convolution_padding_fault(const Padding& padding) {
  if (padding.kind() != Padding::causal) return {};
  return "padding is \"causal\", which Conv1D alone has; other convolutions take \"valid\", \"same\", \"circular\", \"full\" or numbers";
}

std::string pool_padding_fault(const Padding& padding) {
  if (padding.kind() == Padding::causal) return "padding is \"causal\", which Conv1D alone has; pooling takes \"valid\", \"same\" or \"circular\"";
  if (padding.kind() != Padding::full) return {};
  return "padding is \"full\", which convolutions have; pooling takes \"valid\", \"same\" or \"circular\"";
}

std::string to_string(const Size2& size) { return fmt::format("({}, {})", size.height, size.width); }

std::string border_text(const Padding& padding) { return "padding " + schema::Type<Padding>::text(padding); }

std::string to_string(const Pads2& pads) {
  return fmt::format("(({}, {}), ({}, {}))", pads.height.before, pads.height.after, pads.width.before, pads.width.after);
}

void check_map(const Shape& input, const std::string& where) {
  if (input.rank() != 3)
    throw ShapeError(fmt::format("{} needs an input of shape (height, width, channels); {} came", where, input.to_string()));
}

namespace {

kernels::Window window_of(const WindowSpec& spec, kernels::Border border) {
  return {.height = spec.size.height,
          .width = spec.size.width,
          .stride_height = spec.strides.height,
          .stride_width = spec.strides.width,
          .dilation_height = spec.dilation.height,
          .dilation_width = spec.dilation.width,
          .border = border};
}

// Of pads in numbers: the windows of the map with its pads, whose cells outside the map the kernels know.
std::optional<kernels::Geometry> explicit_geometry(const WindowSpec& spec, const Shape& input, std::int64_t out_channels, std::int64_t groups,
                                                   const std::string& where) {
  const auto& [rows, columns] = spec.padding.pads();
  const std::int64_t reach_rows = (spec.size.height - 1) * spec.dilation.height, reach_columns = (spec.size.width - 1) * spec.dilation.width;
  if (std::max(rows.before, rows.after) > reach_rows || std::max(columns.before, columns.after) > reach_columns)
    throw ShapeError(fmt::format("{} padding {} is larger than a window of {} reaches beyond its first cell, {} rows and {} columns; use smaller numbers", where,
                                 to_string(spec.padding.pads()), to_string(spec.size), reach_rows, reach_columns));
  const std::int64_t height = rows.before + input[0] + rows.after, width = columns.before + input[1] + columns.after;
  std::optional<kernels::Geometry> g = kernels::resolve(window_of(spec, kernels::Border::valid), height, width, input[2], out_channels, groups);
  if (!g) return g;
  g->pad_top = rows.before, g->pad_left = columns.before;
  g->pad_bottom = rows.after, g->pad_right = columns.after;
  kernels::keep_src(*g, {input[0], input[1]});
  return g;
}

// What "circular" and "full" put around the map; none for the others.
kernels::Pads pads_of(const WindowSpec& spec, const Shape& input) {
  if (spec.padding.kind() == Padding::full) {
    const std::int64_t rows = (spec.size.height - 1) * spec.dilation.height, columns = (spec.size.width - 1) * spec.dilation.width;
    return {rows, rows, columns, columns};
  }
  if (spec.padding.kind() != Padding::circular) return {};
  const auto same = kernels::resolve(window_of(spec, kernels::Border::same), input[0], input[1], 1, 1);
  if (!same) return {};
  return {same->pad_top, same->pad_bottom, same->pad_left, same->pad_right};
}

}  // namespace

ResolvedWindow resolve_window(const WindowSpec& window, const Shape& input, std::int64_t out_channels, std::int64_t groups,
                              const std::string& where) {
  check_map(input, where);
  const auto refuse = [&] {
    return ShapeError(fmt::format("{} {} {} does not fit input ({}, {}); use padding=\"same\" or a smaller window", where, window.field,
                                  to_string(window.size), input[0], input[1]));
  };
  if (window.padding.is_explicit()) {
    const auto resolved = explicit_geometry(window, input, out_channels, groups, where);
    if (!resolved) throw refuse();
    return {{}, kernels::PadMode::zero, *resolved};
  }
  const kernels::Pads pads = pads_of(window, input);
  const kernels::Border border = window.padding.kind() == Padding::same ? kernels::Border::same : kernels::Border::valid;
  const auto resolved = kernels::resolve(window_of(window, border), pads.top + input[0] + pads.bottom, pads.left + input[1] + pads.right,
                                         input[2], out_channels, groups);
  if (!resolved) throw refuse();
  return {pads, window.padding.kind() == Padding::circular ? kernels::PadMode::circular : kernels::PadMode::zero, *resolved};
}

OnMap window_on_map(const ResolvedWindow& resolved, OnMap::Reduction reduction, std::string border) {
  const kernels::Geometry& g = resolved.geometry;
  const kernels::Pads& pads = resolved.pads;
  OnMap on{.kind = OnMap::window, .reduction = reduction, .border = std::move(border)};
  on.size = Size2(g.window_height, g.window_width);
  on.strides = Size2(g.stride_height, g.stride_width);
  on.dilation = Size2(g.dilation_height, g.dilation_width);
  on.pads = {{pads.top + g.pad_top, pads.bottom + g.pad_bottom}, {pads.left + g.pad_left, pads.right + g.pad_right}};
  if (resolved.mode == kernels::PadMode::circular) on.fill = OnMap::circular;
  if (resolved.mode == kernels::PadMode::reflect || resolved.mode == kernels::PadMode::replicate) on.fill = OnMap::mirrored;
  return on;
}

}  // namespace linn::detail::layers
