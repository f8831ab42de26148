// Rows of an output map that a call computes alone: for strips that are never stored as a whole map, and for workers that share a map.
#pragma once

#include <algorithm>
#include <cstdint>

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

/// Rows of the map in the windows of pooled rows [first, last).
inline Rows rows_in_windows(const Geometry& pool, std::int64_t first, std::int64_t last) {
  const std::int64_t begin = first * pool.stride_height - pool.pad_top;
  const std::int64_t end = (last - 1) * pool.stride_height - pool.pad_top + (pool.window_height - 1) * pool.dilation_height + 1;
  const std::int64_t clipped = std::clamp<std::int64_t>(begin, 0, pool.height);
  return {clipped, std::clamp<std::int64_t>(end, clipped, pool.height)};
}

/// The same restricted to these pooled rows. The map's rows begin at a multiple of 4, which all tiles of Winograd's forms divide.
inline ConvPoolForward::Problem rows_of(const ConvPoolForward::Problem& problem, const Rows& rows) {
  ConvPoolForward::Problem part = problem;
  Rows map = rows_in_windows(problem.pool, rows.begin, rows.end);
  map.begin = map.begin / 4 * 4;
  part.conv.pad_top -= map.begin * part.conv.stride_height;
  part.conv.out_height = part.pool.height = map.end - map.begin;
  part.pool.pad_top += map.begin - rows.begin * part.pool.stride_height;
  part.pool.out_height = rows.end - rows.begin;
  return part;
}

}  // namespace linn::detail::kernels::conv
