#include "layers/window.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/checked.h"
#include "linn/error.h"
#include "schema/type.h"

namespace linn::detail::layers {

std::string convolution_padding_fault(const Padding& padding) {
  if (padding.kind() != Padding::causal) return {};
  return "padding is \"causal\", which Conv1D alone has; other convolutions take \"valid\", \"same\", \"circular\", \"full\", \"reflect\", \"replicate\" or numbers";
}

std::string pool_padding_fault(const Padding& padding, bool ceil_mode) {
  if (padding.kind() == Padding::full || padding.kind() == Padding::causal)
    return fmt::format("padding is \"{}\", which {}; pooling takes \"valid\", \"same\", \"circular\", \"reflect\", \"replicate\" and numbers", padding.name(),
                       padding.kind() == Padding::full ? "convolutions have" : "Conv1D alone has");
  if (ceil_mode && padding.kind() != Padding::valid)
    return fmt::format("ceil_mode is true with padding \"{}\", which leaves nothing over at the end; it goes with \"valid\" and numbers", padding.name());
  return {};
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

// With windows that reach beyond the end of the map; each begins before `end`, counted from the first cell of the pads.
void add_last_windows(kernels::Geometry& g, const WindowSpec& spec, const kernels::Part& padded, const kernels::Part& end) {
  const auto outputs = [](std::int64_t size, std::int64_t window, std::int64_t dilation, std::int64_t stride, std::int64_t last) {
    const std::int64_t out = core::ceil_div(size - ((window - 1) * dilation + 1), stride) + 1;
    return (out - 1) * stride >= last ? out - 1 : out;
  };
  kernels::keep_dst(g, {outputs(padded.height, spec.size.height, spec.dilation.height, spec.strides.height, end.height),
                        outputs(padded.width, spec.size.width, spec.dilation.width, spec.strides.width, end.width)});
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
  if (spec.ceil_mode) add_last_windows(*g, spec, {height, width}, {rows.before + input[0], columns.before + input[1]});
  return g;
}

// What holds the pads that an op of its own puts around the map; nothing where there is no such op.
std::optional<kernels::PadMode> filled_mode(const Padding& padding) {
  if (padding.is_explicit()) return padding.border() == zero_border ? std::nullopt : std::optional(pad_mode(padding.border()));
  switch (padding.kind()) {
    case Padding::circular: return kernels::PadMode::circular;
    case Padding::reflect: return kernels::PadMode::reflect;
    case Padding::replicate: return kernels::PadMode::replicate;
    case Padding::full: return kernels::PadMode::zero;
    case Padding::valid:
    case Padding::causal:  // Conv1D's, whose map has these pads in numbers
    case Padding::same: break;
  }
  return std::nullopt;
}

kernels::Pads filled_pads(const WindowSpec& spec, const Shape& input) {
  if (spec.padding.is_explicit()) {
    const auto& [rows, columns] = spec.padding.pads();
    return {rows.before, rows.after, columns.before, columns.after};
  }
  if (spec.padding.kind() == Padding::full) {
    const std::int64_t rows = (spec.size.height - 1) * spec.dilation.height, columns = (spec.size.width - 1) * spec.dilation.width;
    return {rows, rows, columns, columns};
  }
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
  const std::optional<kernels::PadMode> mode = filled_mode(window.padding);
  if (window.padding.is_explicit() && !mode) {
    const auto resolved = explicit_geometry(window, input, out_channels, groups, where);
    if (!resolved) throw refuse();
    return {{}, kernels::PadMode::zero, *resolved};
  }
  const kernels::Pads pads = mode ? filled_pads(window, input) : kernels::Pads{};
  if (mode == kernels::PadMode::reflect) check_reflection(input, pads, "padding", "padding=\"replicate\" or a smaller window", where);
  const kernels::Border border = window.padding.kind() == Padding::same ? kernels::Border::same : kernels::Border::valid;
  const kernels::Part padded = {pads.top + input[0] + pads.bottom, pads.left + input[1] + pads.right};
  auto resolved = kernels::resolve(window_of(window, border), padded.height, padded.width, input[2], out_channels, groups);
  if (!resolved) throw refuse();
  if (window.ceil_mode) add_last_windows(*resolved, window, padded, padded);
  return {pads, mode.value_or(kernels::PadMode::zero), *resolved};
}

bool is_filled(const Padding& padding) { return filled_mode(padding).has_value(); }

void check_reflection(const Shape& input, const kernels::Pads& pads, std::string_view field, std::string_view way_out, const std::string& where) {
  if (input[0] > std::max(pads.top, pads.bottom) && input[1] > std::max(pads.left, pads.right)) return;
  throw ShapeError(fmt::format("{} {} \"reflect\" puts {} around input ({}, {}), each of which must be less than the map's size; use {}", where, field,
                               to_string(Pads2({pads.top, pads.bottom}, {pads.left, pads.right})), input[0], input[1], way_out));
}

kernels::PadMode pad_mode(const BlurBorder& border) {
  switch (border.kind()) {
    case BlurBorder::reflect: return kernels::PadMode::reflect;
    case BlurBorder::replicate: return kernels::PadMode::replicate;
    case BlurBorder::zero: return kernels::PadMode::zero;
    case BlurBorder::circular: break;
  }
  return kernels::PadMode::circular;
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

OnMap whole_ring(const Shape& input, const Size2& strides, OnMap::Reduction reduction) {
  const auto pads = [](std::int64_t size) { return Pads1((size - 1) / 2, size / 2); };
  return {.kind = OnMap::window,
          .reduction = reduction,
          .size = {input[0], input[1]},
          .strides = strides,
          .pads = {pads(input[0]), pads(input[1])},
          .fill = OnMap::circular,
          .border = "its window is the whole map"};
}

}  // namespace linn::detail::layers
