#include "kernels/geometry.h"

#include <algorithm>
#include <functional>

#include "core/checked.h"

namespace linn::detail::kernels {
namespace {

struct Axis {
  std::int64_t out = 0, before = 0, after = 0;
};

Axis resolve_axis(std::int64_t size, std::int64_t window, std::int64_t stride, std::int64_t dilation, Border border) {
  const std::int64_t reach = (window - 1) * dilation + 1;
  if (border == Border::valid) return {size < reach ? 0 : (size - reach) / stride + 1, 0, 0};
  const std::int64_t out = core::ceil_div(size, stride);
  const std::int64_t total = std::max<std::int64_t>((out - 1) * stride + reach - size, 0);
  return {out, total / 2, total - total / 2};
}

// End of the last window along one axis, counted from the beginning of the padding.
std::int64_t reach_of(std::int64_t out, std::int64_t window, std::int64_t stride, std::int64_t dilation) {
  return (out - 1) * stride + (window - 1) * dilation + 1;
}

void set_end_pads(Geometry& g) {
  const std::int64_t rows = reach_of(g.out_height, g.window_height, g.stride_height, g.dilation_height) - g.pad_top;
  const std::int64_t columns = reach_of(g.out_width, g.window_width, g.stride_width, g.dilation_width) - g.pad_left;
  g.pad_bottom = std::max<std::int64_t>(rows - g.height, 0), g.pad_right = std::max<std::int64_t>(columns - g.width, 0);
}

// One axis of a geometry: the source position of tap `tap` of output `at`.
struct Walk {
  std::int64_t out, window, stride, dilation, pad, size;

  std::int64_t source(std::int64_t at, std::int64_t tap) const { return at * stride - pad + tap * dilation; }
  bool sees(std::int64_t position) const {
    for (std::int64_t tap = 0; tap < window; ++tap) {
      const std::int64_t from = position + pad - tap * dilation;
      if (from >= 0 && from % stride == 0 && from / stride < out) return true;
    }
    return false;
  }
  std::int64_t pairs(const std::function<bool(std::int64_t)>& counts) const {
    std::int64_t count = 0;
    for (std::int64_t at = 0; at < out; ++at)
      for (std::int64_t tap = 0; tap < window; ++tap) count += source(at, tap) >= 0 && source(at, tap) < size && counts(at);
    return count;
  }
};

Walk rows_of(const Geometry& g) { return {g.out_height, g.window_height, g.stride_height, g.dilation_height, g.pad_top, g.height}; }
Walk columns_of(const Geometry& g) { return {g.out_width, g.window_width, g.stride_width, g.dilation_width, g.pad_left, g.width}; }
bool always(std::int64_t) { return true; }

}  // namespace

Pitches dense_pitches(std::int64_t height, std::int64_t width, std::int64_t channels) { return {channels, width * channels, height * width * channels}; }

PitchFields src_pitches(Geometry& g) { return {&g.src_pixel, &g.src_row, &g.src_image}; }
PitchFields dst_pitches(Geometry& g) { return {&g.dst_pixel, &g.dst_row, &g.dst_image}; }

bool can_set(const PitchFields& fields, const Pitches& pitches, std::int64_t height, std::int64_t width, std::int64_t channels) {
  return (fields.pixel != nullptr || pitches.pixel == channels) && (fields.row != nullptr || pitches.row == width * pitches.pixel) &&
         (fields.image != nullptr || pitches.image == height * pitches.row);
}

void set(const PitchFields& fields, const Pitches& pitches) {
  if (fields.pixel != nullptr) *fields.pixel = pitches.pixel;
  if (fields.row != nullptr) *fields.row = pitches.row;
  if (fields.image != nullptr) *fields.image = pitches.image;
}

std::int64_t pairs(const Geometry& g) { return rows_of(g).pairs(always) * columns_of(g).pairs(always); }

std::int64_t products(const Geometry& conv) { return pairs(conv) * conv.out_channels * (conv.channels / conv.groups); }

std::int64_t products(const Geometry& conv, const Geometry& pool) {
  const std::int64_t rows = rows_of(conv).pairs([windows = rows_of(pool)](std::int64_t y) { return windows.sees(y); });
  const std::int64_t columns = columns_of(conv).pairs([windows = columns_of(pool)](std::int64_t x) { return windows.sees(x); });
  return rows * columns * conv.out_channels * (conv.channels / conv.groups);
}

void set_dense_src(Geometry& g) {
  g.src_pixel = g.channels;
  g.src_row = g.src_pixel * g.width;
  g.src_image = g.src_row * g.height;
}

void set_dense_dst(Geometry& g) {
  g.dst_pixel = g.out_channels;
  g.dst_row = g.dst_pixel * g.out_width;
  g.dst_image = g.dst_row * g.out_height;
}

std::optional<Geometry> resolve(const Window& window, std::int64_t height, std::int64_t width, std::int64_t channels,
                                std::int64_t out_channels, std::int64_t groups) {
  for (const std::int64_t size : {height, width, channels, out_channels, groups, window.height, window.width, window.stride_height,
                                  window.stride_width, window.dilation_height, window.dilation_width})
    if (size < 1) return std::nullopt;
  const Axis rows = resolve_axis(height, window.height, window.stride_height, window.dilation_height, window.border);
  const Axis columns = resolve_axis(width, window.width, window.stride_width, window.dilation_width, window.border);
  if (rows.out < 1 || columns.out < 1) return std::nullopt;
  Geometry g;
  g.height = height, g.width = width, g.channels = channels;
  g.window_height = window.height, g.window_width = window.width;
  g.stride_height = window.stride_height, g.stride_width = window.stride_width;
  g.dilation_height = window.dilation_height, g.dilation_width = window.dilation_width;
  g.pad_top = rows.before, g.pad_bottom = rows.after, g.pad_left = columns.before, g.pad_right = columns.after;
  g.out_height = rows.out, g.out_width = columns.out, g.out_channels = out_channels;
  g.groups = groups;
  // Rows and columns outside all windows still count in the pitches, so the pitches follow from the sizes.
  set_dense_src(g);
  set_dense_dst(g);
  return g;
}

Part seen(const Geometry& g) {
  return {std::min(g.height, reach_of(g.out_height, g.window_height, g.stride_height, g.dilation_height) - g.pad_top),
          std::min(g.width, reach_of(g.out_width, g.window_width, g.stride_width, g.dilation_width) - g.pad_left)};
}

void keep_src(Geometry& g, const Part& part) {
  g.height = part.height, g.width = part.width;
  set_end_pads(g);
  set_dense_src(g);
}

void keep_dst(Geometry& g, const Part& part) {
  g.out_height = part.height, g.out_width = part.width;
  set_end_pads(g);
  set_dense_dst(g);
}

Geometry resolve_global(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return resolve({.height = height, .width = width}, height, width, channels, channels).value_or(Geometry{});
}

}  // namespace linn::detail::kernels
