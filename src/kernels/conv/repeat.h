// Maps with each channel repeated, for depthwise convolutions with a depth multiplier above 1: then both maps have the same channels.
#pragma once

#include <algorithm>
#include <cstdint>

namespace linn::detail::kernels::conv {

/// Repeats each of `channels` elements `times` times, for all pixels of a row.
inline void repeat_channels(const float* src, std::int64_t pixel, std::int64_t pixels, std::int64_t channels, std::int64_t times, float* dst) {
  for (std::int64_t x = 0; x < pixels; ++x)
    for (std::int64_t c = 0; c < channels; ++c, dst += times) std::fill_n(dst, times, src[x * pixel + c]);
}

}  // namespace linn::detail::kernels::conv
