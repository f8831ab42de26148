// Scalar helpers for order-free sums (core/order_free.h) in vectors, outside the Highway targets.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "core/order_free.h"

namespace linn::detail::kernels::order_free {

/// Subtracts the bits of FixedPoint::rounding, which each of the `terms` terms of `sum` contains. Unsigned, because the product may wrap.
inline std::int64_t without_rounding(std::int64_t sum, std::int64_t terms) {
  const auto surplus = static_cast<std::uint64_t>(terms) * std::bit_cast<std::uint64_t>(core::FixedPoint::rounding);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) - surplus);
}

inline constexpr std::int32_t infinity_bits = 0x7f800000;

/// FixedPoint's exponent for floats whose largest magnitude has these bits. Denormals get the least exponent of a normal number; its units
/// are finer than the last bit of a denormal.
inline int exponent_of_bits(std::int32_t magnitude) { return std::max(magnitude >> 23, 1) - 126; }

}  // namespace linn::detail::kernels::order_free
