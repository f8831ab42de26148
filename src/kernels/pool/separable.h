// Pooling in two passes, along rows and down columns: the code that the separable kernels share, for all instruction sets.
//
// A sweep goes from top to bottom over groups of four output rows, and within a group from left to right over some pixels at a time:
//   along_row     joins the inputs of each output column for each new input row, and writes the result into a ring of rows;
//   down_columns  joins the ring rows that each output row needs, and writes the outputs.
// Only the ring is kept between two groups. It stays in the L2 cache (`channels_at_once`); the data that the two passes exchange within a
// group stays in the L1 cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/checked.h"
#include "kernels/geometry.h"
#include "kernels/pool/pool.h"
#include "kernels/pool/window.h"

namespace linn::detail::kernels::pool {

/// One axis of a sweep, without dilation: the inputs of each output.
/// | sweep    | outputs | inputs of an output             |
/// |----------|---------|---------------------------------|
/// | forward  | windows | the cells of the window         |
/// | gradient | pixels  | the windows that contain it     |
struct Line {
  Axis axis;
  bool gradient = false;

  std::int64_t inputs() const { return gradient ? axis.out : axis.size; }
  std::int64_t outputs() const { return gradient ? axis.size : axis.out; }
  Range of(std::int64_t output) const {
    if (gradient) {
      const Range windows = axis.seen_by(output);
      return {std::min(windows.begin, axis.out), std::min(windows.end, axis.out)};
    }
    const Range cells = axis.cells(output);
    return {axis.start(output) + cells.begin, axis.start(output) + cells.end};
  }
  /// Outputs that have `window` inputs each, at a fixed distance from those of the output before. For gradients with stride 1 only, else
  /// empty.
  Range steady() const {
    if (!gradient) return axis.interior();
    if (axis.stride != 1) return {0, 0};
    const std::int64_t begin = std::clamp<std::int64_t>(axis.window - 1 - axis.pad, 0, axis.size);
    return {begin, std::clamp(axis.out - axis.pad, begin, axis.size)};
  }
};

/// Data of a sweep over some channels of one image. The argmax has the layout of the windows: of the outputs forward, of the inputs in a
/// gradient.
struct Sweep {
  Line rows, columns;
  Range steady_rows, steady_columns;
  std::int64_t channels;
  std::int64_t src_pixel, src_row, dst_pixel, dst_row, argmax_pixel, argmax_row;
  bool stream;  // stores bypass the caches, which are smaller than the outputs
  const float* src;
  float* dst;
  std::uint8_t* argmax;        // forward
  const std::uint8_t* chosen;  // gradient
  // The ring.
  std::int64_t slots;
  float* values;
  std::uint8_t* indices;   // with an argmax: the number of the input that holds each value
  std::uint8_t* doubtful;  // of each row: whether it may hold NaN
  // Gradients: ddst / cells of the windows in the ring; column and row of their argmax within the window, one after the other.
  std::int64_t share_row;
  float* shares;
  std::uint8_t* tags;

  std::int64_t ring_row;  // pitch of the ring's rows
  std::int64_t slot(std::int64_t row) const { return row % slots; }
};

/// Output rows of a group. Each ring row that comes from the L2 cache serves up to four of them.
inline constexpr std::int64_t group_rows = 4;

/// Input rows of a full group.
inline std::int64_t rows_a_group(const Line& rows) {
  const std::int64_t window = rows.axis.window, stride = rows.axis.stride;
  return rows.gradient ? (group_rows + window - 2) / stride + 1 : (group_rows - 1) * stride + window;
}

/// Number of ring rows of a sweep.
inline std::int64_t ring_slots(const Line& rows) { return std::min(rows.inputs(), rows_a_group(rows)); }

/// Channels of a sweep: as many as let the ring fit the L2 cache, a multiple of 64. Does not depend on the number of rows, so that a part
/// of the rows never needs more scratch than the whole map.
inline std::int64_t channels_at_once(const Line& rows, const Line& columns, std::int64_t channels) {
  constexpr std::int64_t most = 128 * 1024, least = 64;
  const std::int64_t fit = most / (rows_a_group(rows) * columns.outputs());
  return std::min(channels, std::max(least, fit / least * least));
}

/// Pitch of the ring's rows in elements. It is no multiple of 4096 bytes, as rows of maps often are: such rows would evict each other from
/// the L1 cache.
inline std::int64_t ring_row(std::int64_t pixels, std::int64_t channels) { return core::round_up(pixels * channels, 1024) + 544; }

/// The inputs of the pixels x that no pixel before them in the row has.
inline Range new_inputs(const Line& columns, Range x) {
  return {x.begin == 0 ? 0 : columns.of(x.begin - 1).end, columns.of(x.end - 1).end};
}

/// Sizes of the parts of a sweep's scratch in floats; each part starts at a multiple of 16.
struct Parts {
  std::int64_t values, indices, doubtful, shares, tags;
  std::int64_t total() const { return values + indices + doubtful + shares + tags; }
};

/// Whether windows one above the other share rows, and there is no dilation.
inline bool rows_overlap(const Geometry& g) { return g.stride_height < g.window_height && g.dilation_height == 1 && g.dilation_width == 1; }

inline Parts parts_of(const Geometry& g, bool gradient, PoolKind kind, bool argmax) {
  const Line rows{rows_of(g), gradient}, columns{columns_of(g), gradient};
  const std::int64_t slots = ring_slots(rows), channels = channels_at_once(rows, columns, g.channels);
  const auto part = [&](bool wanted, std::int64_t elements) { return wanted ? core::round_up(slots * elements, 16) : 0; };
  const std::int64_t row = ring_row(columns.outputs(), channels), share_row = ring_row(columns.inputs(), channels);
  return {part(true, row), part(kind == PoolKind::max && argmax, core::ceil_div(row, 4)), part(true, 1),
          part(gradient && kind == PoolKind::average, share_row), part(gradient && kind == PoolKind::max, core::ceil_div(share_row, 2))};
}

/// A sweep with all members set but src, dst, argmax and chosen; `channels` is the number for one sweep.
inline Sweep sweep_of(const Geometry& g, bool gradient, const Parts& parts, float* scratch) {
  Sweep s{};
  s.rows = {rows_of(g), gradient}, s.columns = {columns_of(g), gradient};
  s.steady_rows = s.rows.steady(), s.steady_columns = s.columns.steady();
  s.channels = channels_at_once(s.rows, s.columns, g.channels);
  s.src_pixel = g.src_pixel, s.src_row = g.src_row, s.dst_pixel = g.dst_pixel, s.dst_row = g.dst_row;
  if (gradient) std::swap(s.src_pixel, s.dst_pixel), std::swap(s.src_row, s.dst_row);
  s.argmax_pixel = g.channels, s.argmax_row = g.channels * g.out_width;
  s.slots = ring_slots(s.rows);
  s.ring_row = ring_row(s.columns.outputs(), s.channels), s.share_row = ring_row(s.columns.inputs(), s.channels);
  const auto bytes = [](float* p) { return reinterpret_cast<std::uint8_t*>(p); };
  s.values = scratch;
  s.indices = bytes(s.values + parts.values);
  float* after = s.values + parts.values + parts.indices;
  s.doubtful = bytes(after);
  after += parts.doubtful;
  s.shares = parts.shares > 0 ? after : nullptr;
  s.tags = parts.tags > 0 ? bytes(after + parts.shares) : nullptr;
  return s;
}

/// The two passes of a kernel, for the pixels `x` of one row or of the rows `y`.
struct Passes {
  void (*along_row)(const Sweep& sweep, std::int64_t row, Range x);
  void (*down_columns)(const Sweep& sweep, Range y, Range x);
};

/// Pixels that the first pass computes before the second pass follows.
inline std::int64_t pixels_at_once(std::int64_t channels, std::int64_t stride) {
  return std::max<std::int64_t>(4, 512 / (channels * stride) / 4 * 4);
}

/// Prefetches `count` inputs of a row from `first` on. Inputs past the end of the row are taken from the beginning of row `below`. Hardware
/// prefetchers do not recognize the order of a sweep; without prefetches a sweep that reads from memory takes twice as long.
/// always_inline, because GCC 12 removes calls of a function that only prefetches.
template <int locality>
[[gnu::always_inline]] inline void prefetch_inputs(const Sweep& sweep, std::int64_t row, std::int64_t below, std::int64_t first,
                                                   std::int64_t count) {
  constexpr std::int64_t line = 16;
  const std::int64_t width = sweep.columns.inputs();
  for (std::int64_t i = first; i < first + count; ++i) {
    const float* pixel =
        sweep.src + (i < width ? row * sweep.src_row + i * sweep.src_pixel : below * sweep.src_row + (i - width) * sweep.src_pixel);
    for (std::int64_t c = 0; c < sweep.channels; c += line) __builtin_prefetch(pixel + c, 0, locality);
  }
}

/// The gradient of average pooling, with the passes of the forward sums (separable.cc).
void average_gradient(const Sweep& sweep);

inline void sweep_image(const Sweep& sweep, const Passes& passes) {
  const std::int64_t inputs_a_pixel = sweep.columns.gradient ? 1 : sweep.columns.axis.stride;
  const std::int64_t step = pixels_at_once(sweep.channels, inputs_a_pixel);
  std::int64_t next = 0;
  for (std::int64_t y = 0; y < sweep.rows.outputs(); y += group_rows) {
    const Range ys{y, std::min(y + group_rows, sweep.rows.outputs())};
    const Range fresh{std::max(next, sweep.rows.of(ys.begin).begin), sweep.rows.of(ys.end - 1).end};
    for (std::int64_t row = fresh.begin; row < fresh.end; ++row) sweep.doubtful[sweep.slot(row)] = 0;
    for (Range x{0, 0}; x.begin < sweep.columns.outputs(); x.begin = x.end) {
      x.end = std::min(sweep.columns.outputs(), (x.begin == 0 ? sweep.steady_columns.begin : x.begin) + step);
      const std::int64_t after = sweep.columns.of(x.end - 1).end;
      for (std::int64_t row = fresh.begin; row < fresh.end; ++row) {
        // The next pixels go to the L1 cache, the pixels of the next group's rows to the L2 cache.
        const std::int64_t below = row + fresh.size();
        prefetch_inputs<3>(sweep, row, below, after, step * inputs_a_pixel);
        prefetch_inputs<2>(sweep, below, below + fresh.size(), after, step * inputs_a_pixel);
        passes.along_row(sweep, row, x);
      }
      passes.down_columns(sweep, ys, x);
    }
    next = std::max(next, fresh.end);
  }
}

}  // namespace linn::detail::kernels::pool
