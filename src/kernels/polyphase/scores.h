// From the sum of a phase to its score, for all implementations of PhaseScores.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/order_free.h"
#include "kernels/polyphase/polyphase.h"

namespace linn::detail::kernels::polyphase {

/// The score of a phase whose terms sum to `units`. For l2 the terms are scaled below 1, so that no double overflows.
inline double score_of(PhaseScore score, std::int64_t units, int exponent, std::int64_t elements) {
  const auto terms = static_cast<double>(elements);
  if (score == PhaseScore::l2) return std::ldexp(std::sqrt(core::FixedPoint(0, elements).value(units) / terms), exponent);
  return core::FixedPoint(exponent, elements).value(units) / terms;
}

/// Replaces every NaN by one and the same, so that the bits do not depend on which of several NaN came first.
template <class T>
T one_nan(T value) {
  return std::isnan(value) ? std::numeric_limits<T>::quiet_NaN() : value;
}

/// The mean of a phase whose elements are not all finite.
template <class T>
double order_free_mean(const Phases& p, std::int64_t phase, const T* src) {
  const std::int64_t row = p.columns() * p.channels;
  const auto at = [&](std::int64_t i) { return src[p.pixel(phase, i / row, i % row / p.channels) + i % p.channels]; };
  return core::order_free_sum(p.elements(), at) / static_cast<double>(p.elements());
}

}  // namespace linn::detail::kernels::polyphase
