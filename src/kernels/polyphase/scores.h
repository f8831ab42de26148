// What every form of PhaseScores makes of a phase's sum.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/order_free.h"
#include "kernels/polyphase/polyphase.h"

namespace linn::kernels::polyphase {

/// The score of a phase whose terms sum to so many units. The squares' root is taken of what lies below 1, which no double overflows.
inline double score_of(PhaseScore score, std::int64_t units, int exponent, std::int64_t elements) {
  const auto terms = static_cast<double>(elements);
  if (score == PhaseScore::l2) return std::ldexp(std::sqrt(core::FixedPoint(0, elements).value(units) / terms), exponent);
  return core::FixedPoint(exponent, elements).value(units) / terms;
}

/// One NaN for all: which of several came first must not show.
template <class T>
T one_nan(T value) {
  return std::isnan(value) ? std::numeric_limits<T>::quiet_NaN() : value;
}

/// The mean of a phase that is not finite.
template <class T>
double order_free_mean(const Phases& p, std::int64_t phase, const T* src) {
  const std::int64_t row = p.columns() * p.channels;
  const auto at = [&](std::int64_t i) { return src[p.pixel(phase, i / row, i % row / p.channels) + i % p.channels]; };
  return core::order_free_sum(p.elements(), at) / static_cast<double>(p.elements());
}

}  // namespace linn::kernels::polyphase
