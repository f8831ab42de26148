// Pooling in two passes, rows first, then columns: what the separable kernels share, on every instruction set.
//
// The map is swept from top to bottom, four output rows at a time, some pixels of them at a time from left to right:
//   for each new input row: `along_rows` joins the inputs of each output column and puts the result into a ring of rows
//   `down_columns` joins the ring's rows that each output row takes, and writes the outputs.
// The ring is all that is kept between two groups of rows: it stays in the second-level cache (`channels_at_once`), and what the two
// passes exchange within a group in the first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/checked.h"
#include "kernels/geometry.h"
#include "kernels/pool/pool.h"
#include "kernels/pool/window.h"

namespace linn::kernels::pool {

/// One axis of a sweep: which inputs an output takes. Forward these are the cells of a window, the outputs being windows; in a gradient
/// the windows that see a pixel, the outputs being pixels. No dilation.
struct Line {
  Axis axis;
  bool gradient = false;

  std::int64_t inputs() const { return gradient ? axis.out : axis.size; }
  std::int64_t outputs() const { return gradient ? axis.size : axis.out; }
  Range of(std::int64_t output) const {
    if (gradient) {
      const Range seers = axis.seen_by(output);
      return {std::min(seers.begin, axis.out), std::min(seers.end, axis.out)};
    }
    const Range cells = axis.cells(output);
    return {axis.start(output) + cells.begin, axis.start(output) + cells.end};
  }
  /// Outputs that take `window` inputs each, every one of them as much further than the one before. (Gradients: stride 1 only.)
  Range steady() const {
    if (!gradient) return axis.interior();
    if (axis.stride != 1) return {0, 0};
    const std::int64_t begin = std::clamp<std::int64_t>(axis.window - 1 - axis.pad, 0, axis.size);
    return {begin, std::clamp(axis.out - axis.pad, begin, axis.size)};
  }
};

/// What a sweep over some channels of one image knows. The argmax lies with the windows: outputs forward, inputs in a gradient.
struct Sweep {
  Line rows, columns;
  Range steady_rows, steady_columns;
  std::int64_t channels;
  std::int64_t src_pixel, src_row, dst_pixel, dst_row, argmax_pixel, argmax_row;
  bool stream;  // the outputs are more than caches keep: past them
  const float* src;
  float* dst;
  std::uint8_t* argmax;        // forward
  const std::uint8_t* chosen;  // gradient
  // The ring: values, and with an argmax what is known of it; whether a row may hold NaN.
  std::int64_t slots;
  float* values;
  std::uint8_t* indices;
  std::uint8_t* doubtful;
  // Gradients: ddst / cells of the windows in the ring; of their argmax the column and the row within the window, one after the other.
  std::int64_t share_row;
  float* shares;
  std::uint8_t* tags;

  std::int64_t ring_row;  // from a row of the ring to the next
  std::int64_t slot(std::int64_t row) const { return row % slots; }
};

/// Output rows of a group: each ring row read from the second-level cache then serves up to four.
inline constexpr std::int64_t group_rows = 4;

/// Rows that a whole group takes.
inline std::int64_t rows_a_group(const Line& rows) {
  const std::int64_t window = rows.axis.window, stride = rows.axis.stride;
  return rows.gradient ? (group_rows + window - 2) / stride + 1 : (group_rows - 1) * stride + window;
}

/// Ring rows of a sweep.
inline std::int64_t ring_slots(const Line& rows) { return std::min(rows.inputs(), rows_a_group(rows)); }

/// As many channels as leave the ring in the second-level cache, in multiples of 64. The same for a part of the rows, so that a part
/// never takes more scratch than the whole.
inline std::int64_t channels_at_once(const Line& rows, const Line& columns, std::int64_t channels) {
  constexpr std::int64_t most = 128 * 1024, least = 64;
  const std::int64_t fit = most / (rows_a_group(rows) * columns.outputs());
  return std::min(channels, std::max(least, fit / least * least));
}

/// From a row of the ring to the next, in elements: rows of maps are often multiples of 4096 bytes, and rows so far apart would push
/// each other out of the first-level cache.
inline std::int64_t ring_row(std::int64_t pixels, std::int64_t channels) { return core::round_up(pixels * channels, 1024) + 544; }

/// The inputs of pixels x that no pixel of the row before them took.
inline Range new_inputs(const Line& columns, Range x) {
  return {x.begin == 0 ? 0 : columns.of(x.begin - 1).end, columns.of(x.end - 1).end};
}

/// How the scratch of a sweep is cut, in floats; each part starts at a multiple of 16.
struct Parts {
  std::int64_t values, indices, doubtful, shares, tags;
  std::int64_t total() const { return values + indices + doubtful + shares + tags; }
};

/// Windows one above the other share rows, and are not dilated.
inline bool rows_overlap(const Geometry& g) { return g.stride_height < g.window_height && g.dilation_height == 1 && g.dilation_width == 1; }

inline Parts parts_of(const Geometry& g, bool gradient, PoolKind kind, bool argmax) {
  const Line rows{rows_of(g), gradient}, columns{columns_of(g), gradient};
  const std::int64_t slots = ring_slots(rows), channels = channels_at_once(rows, columns, g.channels);
  const auto part = [&](bool wanted, std::int64_t elements) { return wanted ? core::round_up(slots * elements, 16) : 0; };
  const std::int64_t row = ring_row(columns.outputs(), channels), share_row = ring_row(columns.inputs(), channels);
  return {part(true, row), part(kind == PoolKind::max && argmax, core::ceil_div(row, 4)), part(true, 1),
          part(gradient && kind == PoolKind::average, share_row), part(gradient && kind == PoolKind::max, core::ceil_div(share_row, 2))};
}

/// All of a sweep but where it reads and writes; the channels are those to do at once.
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

/// The passes of a kernel, for the pixels `x` of a row or of some rows.
struct Passes {
  void (*along_row)(const Sweep& sweep, std::int64_t row, Range x);
  void (*down_columns)(const Sweep& sweep, Range y, Range x);
};

/// Pixels joined before the second pass follows the first.
inline std::int64_t pixels_at_once(std::int64_t channels, std::int64_t stride) {
  return std::max<std::int64_t>(4, 512 / (channels * stride) / 4 * 4);
}

/// Asks for `count` inputs of a row from `first` on; those past its end are the beginning of row `below`. The machine's own prefetchers
/// do not see through the order of a sweep, and one that waits for memory takes twice as long.
/// Inlined by force: GCC 12 drops calls of a function that does nothing but prefetch.
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

/// The gradient of an average, by the passes of the forward sums (separable.cc).
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
        // The next pixels into the first-level cache, those of the next group's rows into the second.
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

}  // namespace linn::kernels::pool
