// Strips of a convolution's output rows, for kernels that never store the whole map.
#pragma once

#include <cstdint>

#include "kernels/conv/conv.h"

namespace linn::detail::kernels::conv {

/// Output rows [begin, end).
struct Rows {
  std::int64_t begin, end;
};

/// Elements of one row of the output map.
inline std::int64_t map_row(const Geometry& conv) { return conv.out_width * conv.out_channels; }

/// The convolution restricted to these output rows, written to a dense strip.
inline ConvForward::Problem rows_of(const ConvForward::Problem& problem, const Rows& rows) {
  ConvForward::Problem strip = problem;
  Geometry& g = strip.geometry;
  g.pad_top -= rows.begin * g.stride_height;
  g.out_height = rows.end - rows.begin;
  set_dense_dst(g);
  return strip;
}

}  // namespace linn::detail::kernels::conv
