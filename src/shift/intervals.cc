// Shares and means with 95 % intervals: `wilson` for shares of images, `mean_of` for means of one number an image.
#include "shift/intervals.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "linn/error.h"
#include "linn/shift.h"

namespace linn::shift {
namespace {

constexpr double z = 1.959963984540054;  // 97.5 % quantile of the normal distribution

}  // namespace

Estimate wilson(std::int64_t count, std::int64_t all) {
  if (count < 0 || count > all) throw ValueError(fmt::format("[shift] {} of {} came; a count from 0 to the whole is allowed", count, all));
  if (all == 0) return {};
  const auto n = static_cast<double>(all);
  const double p = static_cast<double>(count) / n;
  const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  // For counts of 0 and `all` one end is exactly 0 or 1; rounding would miss it.
  return {p, count == 0 ? 0 : std::max(0.0, centre - half), count == all ? 1 : std::min(1.0, centre + half)};
}

Estimate mean_of(const std::vector<double>& values, double least, double most) {
  if (values.empty()) return {};
  RunningVariance spread;
  for (const double value : values) spread.add(value);
  if (std::isnan(spread.mean)) return {};
  if (spread.count < 2) return {spread.mean, nan, nan};
  const double half = z * std::sqrt(spread.squares / static_cast<double>(spread.count - 1) / static_cast<double>(spread.count));
  return {spread.mean, std::max(least, spread.mean - half), std::min(most, spread.mean + half)};
}

}  // namespace linn::shift
