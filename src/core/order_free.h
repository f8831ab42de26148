// Sums whose bits do not depend on the order of their terms.
//
// The exponent is shared: with |term| < 2^e and n terms, each term is rounded to a whole number of units of 2^(e - b), where b is 51 or,
// from 2048 terms on, 62 less the bits of n. Whole numbers add up in 64 bits without rounding, so any order gives the same sum.
// Error: at most half a unit a term, together n * 2^(e - b - 1), and one rounding to double at the end. With e as small as it can be a
// term of up to 2047 is off by 2^-51 of the largest magnitude at most, one of 2^20 by 2^-41 of it.
// Cost: two passes over the terms, one for the largest, one for a product, a rounding and an addition of integers each.
// Not finite: a NaN among the terms, or both infinities, give NaN (the positive quiet one); one kind of infinity gives it.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace linn::detail::core {

/// Terms as whole numbers of a unit, a power of two, so many of which add up within 64 bits.
class FixedPoint {
 public:
  /// Added to a double of magnitude up to 2^51, it rounds it to a whole number (to even), which the last bits of the sum are.
  static constexpr double rounding = 0x1.8p52;

  /// For `terms` terms of magnitude below 2^exponent. Units are no finer than 2^-1000, so that doubles hold how many of them are in 1.
  FixedPoint(int exponent, std::int64_t terms) : shift_(std::min(bits(terms) - exponent, 1000)), scale_(std::ldexp(1.0, shift_)) {}

  /// log2 of 2^exponent in units, 51 at most for `rounding`.
  static int bits(std::int64_t terms) { return std::min(51, 62 - static_cast<int>(std::bit_width(static_cast<std::uint64_t>(terms)))); }
  /// The least exponent with |value| < 2^exponent; 0 for 0. For finite numbers.
  static int exponent_of(double value) {
    int exponent = 0;
    std::frexp(value, &exponent);
    return exponent;
  }

  std::int64_t units(double term) const {
    return std::bit_cast<std::int64_t>(term * scale_ + rounding) - std::bit_cast<std::int64_t>(rounding);
  }
  double value(std::int64_t units) const { return std::ldexp(static_cast<double>(units), -shift_); }
  /// Units in 1, a power of two.
  double scale() const { return scale_; }

 private:
  int shift_;
  double scale_;
};

/// The sum of at(i) for i < terms.
template <class At>
double order_free_sum(std::int64_t terms, const At& at) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  double largest = 0;
  bool nan = false, above = false, below = false;
  for (std::int64_t i = 0; i < terms; ++i) {
    const double term = static_cast<double>(at(i));
    nan = nan || std::isnan(term), above = above || term == infinity, below = below || term == -infinity;
    largest = std::max(largest, std::abs(term));
  }
  if (nan || (above && below)) return std::numeric_limits<double>::quiet_NaN();
  if (above || below) return above ? infinity : -infinity;
  const FixedPoint fixed(FixedPoint::exponent_of(largest), terms);
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < terms; ++i) sum += fixed.units(static_cast<double>(at(i)));
  return fixed.value(sum);
}

}  // namespace linn::detail::core
