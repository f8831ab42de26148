// Marks windows through which no gradient flows because relu set their value to 0.
#pragma once

#include <cstdint>

#include "kernels/conv/pooled.h"

namespace linn::detail::kernels::conv {

/// Sets the argmax of one image to `no_cell` where the pooled value is not above 0.
template <class T>
void mark_no_gradient(const Geometry& pool, const T* dst, std::uint8_t* argmax) {
  for (std::int64_t y = 0; y < pool.out_height; ++y)
    for (std::int64_t x = 0; x < pool.out_width; ++x, argmax += pool.channels) {
      const T* value = dst + y * pool.dst_row + x * pool.dst_pixel;
      for (std::int64_t c = 0; c < pool.channels; ++c) argmax[c] = value[c] > T(0) ? argmax[c] : no_cell;
    }
}

}  // namespace linn::detail::kernels::conv
