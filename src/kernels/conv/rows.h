// Rows of an output map that a call computes alone: for strips that are never stored as a whole map, and for workers that share a map.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/checked.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/pooled.h"

namespace linn::detail::kernels::conv {

/// Output rows [begin, end).
struct Rows {
  std::int64_t begin, end;
};

/// Elements of one row of the output map.
inline std::int64_t map_row(const Geometry& conv) { return conv.out_width * conv.out_channels; }

/// The convolution restricted to these output rows; dst is the first of them. `rows.begin` is a multiple of the implementation's row_step.
inline ConvForward::Problem rows_of(const ConvForward::Problem& problem, const Rows& rows) {
  ConvForward::Problem part = problem;
  part.geometry.pad_top -= rows.begin * part.geometry.stride_height;
  part.geometry.out_height = rows.end - rows.begin;
  return part;
}

/// The input gradient restricted to these rows of the source; dsrc is the first of them. `rows.begin` is a multiple of the implementation's
/// row_step.
inline ConvInputGradient::Problem rows_of(const ConvInputGradient::Problem& problem, const Rows& rows) {
  ConvInputGradient::Problem part = problem;
  part.geometry.pad_top += rows.begin;
  part.geometry.height = rows.end - rows.begin;
  return part;
}

/// Rows of the map in the windows of pooled rows [first, last).
inline Rows rows_in_windows(const Geometry& pool, std::int64_t first, std::int64_t last) {
  const std::int64_t begin = first * pool.stride_height - pool.pad_top;
  const std::int64_t end = (last - 1) * pool.stride_height - pool.pad_top + (pool.window_height - 1) * pool.dilation_height + 1;
  const std::int64_t clipped = std::clamp<std::int64_t>(begin, 0, pool.height);
  return {clipped, std::clamp<std::int64_t>(end, clipped, pool.height)};
}

/// The pooling of the windows `windows` alone, from a map that begins with row `map.begin` of the whole map.
inline Geometry part_of(Geometry pool, const Rows& map, const Rows& windows) {
  pool.pad_top += map.begin - windows.begin * pool.stride_height;
  pool.height = map.end - map.begin;
  pool.out_height = windows.end - windows.begin;
  return pool;
}

/// Computes the rows `read` of a map of `height` rows into a buffer that holds the rows `held` of it, `row` elements each: those that are
/// still needed move to the front, compute(rows, dst) writes those that the buffer lacks behind them. They begin at a multiple of `step`.
template <class T, class Compute>
void hold_rows(const Rows& read, std::int64_t height, std::int64_t row, std::int64_t step, T* buffer, Rows& held, Compute&& compute) {
  const std::int64_t begin = std::min(read.begin, std::max(held.end, read.begin / step * step));
  std::copy(buffer + (std::min(begin, held.end) - held.begin) * row, buffer + (held.end - held.begin) * row, buffer);
  const Rows next = {std::max(begin, held.end), std::min(core::round_up(read.end, step), height)};
  held.begin = begin;
  if (next.end > next.begin) compute(next, buffer + (next.begin - begin) * row);
  held.end = std::max(held.end, next.end);
}

/// The convolution with pooling restricted to these pooled rows. The map's rows begin at a multiple of 4, which all tiles of Winograd's forms divide.
inline ConvPoolForward::Problem rows_of(const ConvPoolForward::Problem& problem, const Rows& rows) {
  ConvPoolForward::Problem part = problem;
  Rows map = rows_in_windows(problem.pool, rows.begin, rows.end);
  map.begin = map.begin / 4 * 4;
  part.conv.pad_top -= map.begin * part.conv.stride_height;
  part.conv.out_height = map.end - map.begin;
  part.pool = part_of(part.pool, map, rows);
  return part;
}

}  // namespace linn::detail::kernels::conv
