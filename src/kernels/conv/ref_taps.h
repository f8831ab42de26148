// Loop over the taps of one output, for the references of convolution with pooling.
#pragma once

#include <cstdint>

#include "kernels/geometry.h"

namespace linn::detail::kernels {

/// Calls visit(tap, offset of the source pixel) for the taps of output (row, column) that lie in the map.
template <class Visit>
void for_each_tap(const Geometry& g, std::int64_t row, std::int64_t column, const Visit& visit) {
  for (std::int64_t i = 0; i < g.window_height; ++i)
    for (std::int64_t j = 0; j < g.window_width; ++j) {
      const std::int64_t h = row * g.stride_height - g.pad_top + i * g.dilation_height;
      const std::int64_t w = column * g.stride_width - g.pad_left + j * g.dilation_width;
      if (h >= 0 && h < g.height && w >= 0 && w < g.width) visit(i * g.window_width + j, h * g.src_row + w * g.src_pixel);
    }
}

}  // namespace linn::detail::kernels
