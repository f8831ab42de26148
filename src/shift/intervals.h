// Sums behind the means and intervals of the lab's measures.
#pragma once

#include <cstdint>
#include <limits>

namespace linn::shift {

/// What a measure is where it does not exist.
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

inline double share(std::int64_t count, std::int64_t all) { return static_cast<double>(count) / static_cast<double>(all); }

/// Running mean and sum of squared deviations (B. P. Welford, Technometrics 1962). Avoids the cancellation of sum(x^2) - n mean^2.
struct RunningVariance {
  std::int64_t count = 0;
  double mean = 0;
  double squares = 0;  // sum of (value - mean)^2

  void add(double value) {
    ++count;
    const double before = value - mean;
    mean += before / static_cast<double>(count);
    squares += before * (value - mean);
  }
};

}  // namespace linn::shift
