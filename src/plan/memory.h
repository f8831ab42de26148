// The memory planner: intervals of life onto offsets, so that values that never live together share memory.
#pragma once

#include <cstdint>
#include <vector>

namespace linn::plan {

struct Interval {
  int first = 0, last = 0;  // both included
  std::int64_t bytes = 0;
  int owner = -1;
  std::int64_t offset = 0;  // set by place_intervals
};

/// Gives each interval an offset such that those that overlap in life do not overlap in memory; returns the bytes needed.
/// Largest first, each at the lowest offset that is free during its life: the greedy scheme of Pisarchyk and Lee, "Efficient
/// memory management for deep neural net inference", 2020. Not optimal, within a few percent on chains.
std::int64_t place_intervals(std::vector<Interval>& intervals);

}  // namespace linn::plan
