#include "plan/memory.h"

#include <algorithm>
#include <numeric>

namespace linn::detail::plan {

std::int64_t place_intervals(std::vector<Interval>& intervals) {
  std::vector<std::size_t> order(intervals.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return intervals[a].bytes > intervals[b].bytes; });

  std::int64_t total = 0;
  std::vector<const Interval*> placed;  // by offset
  for (const std::size_t index : order) {
    Interval& interval = intervals[index];
    std::int64_t offset = 0;
    for (const Interval* other : placed) {
      const bool together = other->first <= interval.last && interval.first <= other->last;
      if (together && other->offset < offset + interval.bytes) offset = std::max(offset, other->offset + other->bytes);
    }
    interval.offset = offset;
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &interval,
                                   [](const Interval* a, const Interval* b) { return a->offset < b->offset; }),
                  &interval);
    total = std::max(total, offset + interval.bytes);
  }
  return total;
}

}  // namespace linn::detail::plan
