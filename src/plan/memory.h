// The memory planner: from lifetimes to offsets. Values whose lifetimes do not overlap may share memory.
#pragma once

#include <cstdint>
#include <vector>

namespace linn::detail::plan {

/// Lifetime and size of a value.
struct Interval {
  int first = 0, last = 0;  // both included
  std::int64_t bytes = 0;
  int owner = -1;
  std::int64_t offset = 0;  // set by place_intervals
};

/// Sets the offset of each interval, so that intervals with overlapping lifetimes do not overlap in memory. Returns the bytes needed.
/// Greedy by size (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020): the largest first, each at the
/// lowest offset that is free during its lifetime. Not optimal, but within a few percent on chains.
std::int64_t place_intervals(std::vector<Interval>& intervals);

}  // namespace linn::detail::plan
