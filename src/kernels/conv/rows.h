// Some rows of a convolution's map, for kernels that never hold all of it.
#pragma once

#include <cstdint>

#include "kernels/conv/conv.h"

namespace linn::kernels::conv {

/// Output rows [begin, end).
struct Rows {
  std::int64_t begin, end;
};

/// Elements of a row of the map.
inline std::int64_t map_row(const Geometry& conv) { return conv.out_width * conv.out_channels; }

/// The convolution of those output rows only, into a dense strip.
inline ConvForward::Problem rows_of(const ConvForward::Problem& problem, const Rows& rows) {
  ConvForward::Problem strip = problem;
  Geometry& g = strip.geometry;
  g.pad_top -= rows.begin * g.stride_height;
  g.out_height = rows.end - rows.begin;
  set_dense_dst(g);
  return strip;
}

/// Elements of a strip, unless a single row is longer: 64 KiB, which stays in the second-level cache beside what the convolution reads.
inline constexpr std::int64_t strip_elements = 16384;

}  // namespace linn::kernels::conv
