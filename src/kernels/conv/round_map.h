// Copies of a map's rows, rounded to bfloat16 and dense.
#pragma once

#include <cstdint>

#include "kernels/gemm/bf16.h"

namespace linn::detail::kernels::conv {

inline void round_elements(const float* src, std::int64_t count, Bf16* dst) { round_bf16(src, count, dst); }
inline void round_elements(const float* src, std::int64_t count, float* dst) { round_to_bf16(src, count, dst); }

/// Rounds `rows` rows of `width` pixels with pitches `row` and `pixel` to a dense dst. Number: Bf16, or float for rounded values in
/// float32.
template <class Number>
void round_rows(const float* src, std::int64_t row, std::int64_t pixel, std::int64_t rows, std::int64_t width, std::int64_t channels,
                Number* dst) {
  if (pixel == channels && row == width * channels) return round_elements(src, rows * row, dst);
  for (std::int64_t y = 0; y < rows; ++y, src += row)
    if (pixel == channels) {
      round_elements(src, width * channels, dst + y * width * channels);
    } else {
      for (std::int64_t x = 0; x < width; ++x) round_elements(src + x * pixel, channels, dst + (y * width + x) * channels);
    }
}

}  // namespace linn::detail::kernels::conv
