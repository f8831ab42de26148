// bfloat16 in scalar code: rounding, and vdpbf16ps bit for bit.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace linn::tests {

inline float float_of_bf16(std::uint16_t value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16); }

/// Denormals count as zeros of their sign.
inline float denormal_to_zero(float value) {
  return std::abs(value) < std::numeric_limits<float>::min() ? std::copysign(0.0f, value) : value;
}

/// To nearest even; NaN becomes a quiet one; denormals stay.
inline std::uint16_t bf16_of_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

inline double rounded_to_bf16(double value) { return static_cast<double>(float_of_bf16(bf16_of_float(static_cast<float>(value)))); }

/// a * b + sum with one rounding to nearest even. Denormal sums count as zero, and so does a result that would be denormal: one that is
/// below the least normal number when it is rounded as if exponents had no end.
inline float bf16_multiply_add(std::uint16_t a, std::uint16_t b, float sum) {
  const float x = denormal_to_zero(float_of_bf16(a)), y = denormal_to_zero(float_of_bf16(b)), z = denormal_to_zero(sum);
  const float result = std::fma(x, y, z);
  // The product is exact in double. Rounded up to the least normal number from below the middle to its neighbour: denormal.
  if (std::abs(result) == 0x1p-126f &&
      std::abs(static_cast<double>(x) * static_cast<double>(y) + static_cast<double>(z)) < 0x1p-126 - 0x1p-151)
    return std::copysign(0.0f, result);
  return denormal_to_zero(result);
}

/// One lane of vdpbf16ps: the second product of the pair first.
inline float bf16_dot(float sum, const std::uint16_t* a, const std::uint16_t* b) {
  return bf16_multiply_add(a[0], b[0], bf16_multiply_add(a[1], b[1], sum));
}

}  // namespace linn::tests
