// What the vector forms of order-free sums (core/order_free.h) share outside their Highway targets.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "core/order_free.h"

namespace linn::kernels::order_free {

/// A double of magnitude up to 2^51 added to this is rounded to a whole number, which its last bits are.
inline constexpr double rounding = 0x1.8p52;

/// The sum of so many terms in units, each with the bits of `rounding` in it. Unsigned: the surplus may wrap.
inline std::int64_t without_rounding(std::int64_t sum, std::int64_t terms) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) - static_cast<std::uint64_t>(terms) * std::bit_cast<std::uint64_t>(rounding));
}

inline constexpr std::int32_t infinity_bits = 0x7f800000;

/// FixedPoint's exponent for floats whose largest magnitude has these bits. Denormals get the least normal one, whose units are finer than
/// the last of their bits.
inline int exponent_of_bits(std::int32_t magnitude) { return std::max(magnitude >> 23, 1) - 126; }

/// 2^exponent.
inline double power_of_two(int exponent) { return std::bit_cast<double>(static_cast<std::uint64_t>(1023 + exponent) << 52); }

}  // namespace linn::kernels::order_free
