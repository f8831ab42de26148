// Copy of a map with zeros as padding, for kernels that read patches without checks for borders.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/geometry.h"

namespace linn::detail::kernels::conv {

inline bool padded(const Geometry& g) { return g.pad_top > 0 || g.pad_bottom > 0 || g.pad_left > 0 || g.pad_right > 0; }
/// Elements of a row and of an image of the copy, which is dense.
inline std::int64_t padded_row(const Geometry& g) { return (g.width + g.pad_left + g.pad_right) * g.channels; }
inline std::int64_t padded_image(const Geometry& g) { return (g.height + g.pad_top + g.pad_bottom) * padded_row(g); }

/// Writes the padded copies of `images` maps.
inline void pad(const Geometry& g, std::int64_t images, const float* src, float* dst) {
  const std::int64_t row = padded_row(g), image = padded_image(g);
  for (std::int64_t n = 0; n < images; ++n) {
    float* out = dst + n * image;
    std::fill_n(out, g.pad_top * row, 0.0f);
    for (std::int64_t y = 0; y < g.height; ++y) {
      float* line = out + (g.pad_top + y) * row;
      const float* from = src + n * g.src_image + y * g.src_row;
      std::fill_n(line, g.pad_left * g.channels, 0.0f);
      line += g.pad_left * g.channels;
      if (g.src_pixel == g.channels)
        std::copy_n(from, g.width * g.channels, line);
      else
        for (std::int64_t x = 0; x < g.width; ++x) std::copy_n(from + x * g.src_pixel, g.channels, line + x * g.channels);
      std::fill_n(line + g.width * g.channels, g.pad_right * g.channels, 0.0f);
    }
    std::fill_n(out + (g.pad_top + g.height) * row, g.pad_bottom * row, 0.0f);
  }
}

}  // namespace linn::detail::kernels::conv
