#include "plan/memory.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace linn::detail::plan {
namespace {

bool live_together(const Interval& a, const Interval& b) { return a.first <= b.last && b.first <= a.last; }

// The bytes alive at once at the worst moment: no placement needs less.
std::int64_t most_alive(const std::vector<Interval>& intervals) {
  std::int64_t most = 0;
  for (const Interval& at : intervals) {
    std::int64_t alive = 0;
    for (const Interval& other : intervals)
      if (other.first <= at.first && at.first <= other.last) alive += other.bytes;
    most = std::max(most, alive);
  }
  return most;
}

RC_GTEST_PROP(PlaceIntervals, NoTwoLiveOnesOverlap, ()) {
  std::vector<Interval> intervals;
  const int count = *rc::gen::inRange(0, 40);
  for (int i = 0; i < count; ++i) {
    const int first = *rc::gen::inRange(0, 30);
    const int last = first + *rc::gen::inRange(0, 12);
    intervals.push_back({.first = first, .last = last, .bytes = 64 * *rc::gen::inRange<std::int64_t>(1, 40), .owner = i});
  }
  const std::vector<Interval> before = intervals;
  const std::int64_t total = place_intervals(intervals);
  std::int64_t sum = 0, end = 0;
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    const Interval& a = intervals[i];
    RC_ASSERT(a.owner == before[i].owner && a.bytes == before[i].bytes && a.first == before[i].first && a.last == before[i].last);
    RC_ASSERT(a.offset >= 0 && a.offset % 64 == 0);
    sum += a.bytes;
    end = std::max(end, a.offset + a.bytes);
    for (std::size_t j = i + 1; j < intervals.size(); ++j) {
      const Interval& b = intervals[j];
      if (live_together(a, b)) RC_ASSERT(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset);
    }
  }
  RC_ASSERT(total == end);
  RC_ASSERT(total >= most_alive(intervals));
  RC_ASSERT(total <= sum);
}

TEST(PlaceIntervals, AChainNeedsTwoNeighbours) {
  std::vector<Interval> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({.first = i, .last = i + 1, .bytes = 640, .owner = i});
  EXPECT_EQ(place_intervals(chain), 1280);
  std::vector<Interval> none;
  EXPECT_EQ(place_intervals(none), 0);
}

}  // namespace
}  // namespace linn::detail::plan
