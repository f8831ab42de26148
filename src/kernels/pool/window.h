// The cells of a window inside the map, and the windows that contain a pixel, along one axis.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/checked.h"
#include "kernels/geometry.h"

namespace linn::detail::kernels::pool {

/// The numbers i with begin <= i < end; empty if both are equal.
struct Range {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  /// The intersection with `other`; an empty range inside `other` if they do not meet.
  Range in(Range other) const {
    const std::int64_t first = std::clamp(begin, other.begin, other.end);
    return {first, std::clamp(end, first, other.end)};
  }
};

/// One axis of a Geometry.
struct Axis {
  std::int64_t size, window, stride, dilation, pad, out;

  std::int64_t start(std::int64_t output) const { return output * stride - pad; }
  std::int64_t reach() const { return (window - 1) * dilation + 1; }

  /// The cells i of the output's window for which 0 <= start + i * dilation < size.
  Range cells(std::int64_t output) const {
    const std::int64_t first = start(output);
    const std::int64_t begin = first >= 0 ? 0 : core::ceil_div(-first, dilation);
    const std::int64_t end = first >= size ? 0 : std::min(window, (size - 1 - first) / dilation + 1);
    return {std::min(begin, std::max<std::int64_t>(end, 0)), std::max<std::int64_t>(end, 0)};
  }
  /// The outputs whose windows lie wholly in the map.
  Range interior() const {
    const std::int64_t begin = std::min(out, core::ceil_div(pad, stride));
    const std::int64_t room = size + pad - reach();
    const std::int64_t end = room < 0 ? 0 : std::min(out, room / stride + 1);
    return {begin, std::max(begin, end)};
  }
  /// The outputs whose windows extend over source position p. With dilation above 1 not all of them have a cell there.
  Range seen_by(std::int64_t p) const {
    const std::int64_t first = p + pad - (reach() - 1);
    const std::int64_t begin = first <= 0 ? 0 : core::ceil_div(first, stride);
    return {begin, std::max(begin, std::min(out, (p + pad) / stride + 1))};
  }
  bool overlapping() const { return stride < reach() && out > 1; }
  /// Whether windows lie side by side without gaps or overlaps.
  bool tiling() const { return stride == window && dilation == 1; }
};

inline Axis rows_of(const Geometry& g) { return {g.height, g.window_height, g.stride_height, g.dilation_height, g.pad_top, g.out_height}; }
inline Axis columns_of(const Geometry& g) { return {g.width, g.window_width, g.stride_width, g.dilation_width, g.pad_left, g.out_width}; }

/// A call with more bytes of output than this bypasses the caches when it stores: they would not keep the outputs until they are read, and
/// would fetch each cache line first.
inline constexpr std::int64_t streamed_bytes = std::int64_t{4} << 20;

/// Whether stores of the outputs bypass the caches: the outputs exceed streamed_bytes, and all their vectors are aligned.
inline bool streams(const float* dst, std::int64_t elements, std::int64_t pixel, std::int64_t row, std::int64_t image,
                    std::int64_t channels) {
  constexpr std::int64_t line = 16;
  return elements * 4 >= streamed_bytes && reinterpret_cast<std::uintptr_t>(dst) % 64 == 0 && pixel % line == 0 && row % line == 0 &&
         image % line == 0 && channels % line == 0;
}

}  // namespace linn::detail::kernels::pool
