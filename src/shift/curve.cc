// The measures of a sweep by distance: one point for each ring of shifts.
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "linn/shift.h"
#include "shift/intervals.h"

namespace linn::shift {

std::vector<CurvePoint> Sweep::curve() const {
  const auto points = static_cast<std::size_t>(radius() + 1);
  std::vector<std::vector<std::size_t>> rings(points);  // places of the shifts by distance
  for (std::int64_t dy = -radius(); dy <= radius(); ++dy)
    for (std::int64_t dx = -radius(); dx <= radius(); ++dx)
      if (const auto distance = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(dy * dy + dx * dx)))); distance < points)
        rings[distance].push_back(place(dy, dx));
  const auto shifts = static_cast<std::size_t>(side() * side());
  std::vector<CurvePoint> curve;
  for (std::size_t distance = 0; distance < points; ++distance) {
    const std::vector<std::size_t>& ring = rings[distance];
    std::vector<double> right, changed, change;
    for (std::size_t i = 0; i < predictions_.room.size(); ++i) {
      std::int64_t right_count = 0;
      std::int64_t changed_count = 0;
      double sum = 0;
      for (const std::size_t at : ring) {
        const std::size_t pair = i * shifts + at;
        if (labelled()) right_count += predictions_.predicted[pair] == predictions_.labels[i] ? 1 : 0;
        changed_count += predictions_.predicted[pair] != predictions_.predicted[i * shifts + shifts / 2] ? 1 : 0;
        if (!predictions_.change.empty()) sum += static_cast<double>(predictions_.change[pair]);
      }
      const auto all = static_cast<std::int64_t>(ring.size());
      if (labelled()) right.push_back(share(right_count, all));
      changed.push_back(share(changed_count, all));
      if (!predictions_.change.empty()) change.push_back(sum / static_cast<double>(all));
    }
    curve.push_back({static_cast<std::int64_t>(distance), static_cast<std::int64_t>(ring.size()), mean_of(right, 0, 1),
                     mean_of(changed, 0, 1), mean_of(change, 0, std::numeric_limits<double>::infinity())});
  }
  return curve;
}

}  // namespace linn::shift
