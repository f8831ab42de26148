// Random numbers for tests, and slopes of functions of them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>

#include "support/golden.h"

namespace linn::tests {

inline Values random_values(std::int64_t count, std::uint32_t seed, double least = -1, double most = 1) {
  std::mt19937 engine(seed);
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) value = least + (most - least) * static_cast<double>(engine()) / 4294967296.0;
  return values;
}

/// Compares a gradient with central differences of the function, at sixty of its numbers at least, if it has so many.
inline void expect_slopes(const std::string& what, const Values& at, const Values& gradient, const std::function<double(const Values&)>& f) {
  ASSERT_EQ(gradient.size(), at.size()) << what;
  constexpr double h = 1e-6;
  const std::size_t step = std::max<std::size_t>(1, at.size() / 60);
  for (std::size_t i = 0; i < at.size(); i += step) {
    Values moved = at;
    moved[i] = at[i] + h;
    const double above = f(moved);
    moved[i] = at[i] - h;
    const double slope = (above - f(moved)) / (2 * h);
    EXPECT_NEAR(gradient[i], slope, 1e-6 * (1 + std::abs(slope))) << what << " [" << i << "]";
  }
  f(at);
}

}  // namespace linn::tests
