// Moments of the union of two sets of numbers, from the moments of both.
#pragma once

#include <cstdint>

namespace linn::detail::kernels::norm {

/// Adds the moments (mean, sum of squared deviations) of `other_count` numbers to those of `count` numbers, for each channel, in place.
inline void join_moments(std::int64_t channels, std::int64_t count, double* mean, double* squares, std::int64_t other_count,
                         const double* other_mean, const double* other_squares) {
  const auto all = static_cast<double>(count + other_count);
  const double share = static_cast<double>(other_count) / all;
  const double weight = static_cast<double>(count) * share;
  for (std::int64_t c = 0; c < channels; ++c) {
    const double distance = other_mean[c] - mean[c];
    mean[c] += distance * share;
    squares[c] += other_squares[c] + distance * distance * weight;
  }
}

}  // namespace linn::detail::kernels::norm
