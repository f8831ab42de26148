// Merges of several inputs: every form, every tail, every way of broadcasting.
#include "kernels/merge/merge.h"

#include <gtest/gtest.h>

#include "kernels/merge_check.h"

namespace linn::detail::kernels {
namespace {

std::vector<std::vector<Shape>> shapes_of(std::int64_t c) {
  return {{{3, 2, c}, {3, 2, c}}, {{3, 2, c}, {1, 1, c}},  {{1, 1, c}, {3, 2, c}}, {{3, 2, c}, {3, 2, 1}}, {{3, 2, 1}, {1, 1, c}},
          {{3, 1, c}, {1, 2, 1}}, {{3, 2, c}, {c}},        {{c}, {3, 1, 1}},       {{3, 2, c}, {1}},       {{1, 1, 1}, {1}}};
}

TEST(Merge, EveryKindShapeAndTail) {
  for (const MergeKind kind : check::merge_kinds)
    for (const std::int64_t channels : {1, 3, 5, 16, 17, 33})
      for (const std::vector<Shape>& shapes : shapes_of(channels))
        for (const check::Values values : {check::Values::normal, check::Values::ties, check::Values::hostile}) {
          check::check_merge({kind, shapes, 3, values}, 1);
          if (HasFatalFailure()) return;
        }
}

TEST(Merge, ManyInputs) {
  for (const MergeKind kind : check::merge_kinds) {
    if (kind == MergeKind::subtract) continue;
    check::check_merge({kind, {{5, 7}}, 2}, 1);
    check::check_merge({kind, std::vector<Shape>(13, Shape{4, 3, 5}), 3, check::Values::ties}, 2);
    check::check_merge({kind, {{4, 3, 5}, {5}, {1, 3, 1}, {4, 1, 5}, {4, 3, 5}}, 3, check::Values::ties}, 3);
  }
}

// More elements than one piece of the vector form holds.
TEST(Merge, LongRuns) {
  for (const MergeKind kind : check::merge_kinds) {
    check::check_merge({kind, {{5003}, {5003}}, 2}, 1);
    check::check_merge({kind, {{2, 5003}, {5003}}, 2, check::Values::ties}, 2);
    check::check_merge({kind, {{2, 5003}, {2, 1}}, 2, check::Values::ties}, 3);
  }
}

TEST(Merge, ShapesThatMeet) {
  const auto met = [](std::vector<Shape> shapes) { return broadcast_shape(shapes); };
  EXPECT_EQ(met({{2, 3}, {3}}), Shape({2, 3}));
  EXPECT_EQ(met({{}, {4, 1}, {1, 5}}), Shape({4, 5}));
  EXPECT_EQ(met({{2, 3}, {2}}), std::nullopt);
  EXPECT_EQ(met({{2, 3}, {4, 3}}), std::nullopt);
  EXPECT_EQ(met({{Shape::none, 3}, {7, 1}}), Shape({Shape::none, 3}));
}

TEST(Merge, RunsAreAsLongAsTheyCanBe) {
  const auto sizes = [](std::vector<Shape> shapes) { return resolve_broadcast(shapes).sizes; };
  EXPECT_EQ(sizes({{2, 3, 4}, {2, 3, 4}}), Shape({24}));
  EXPECT_EQ(sizes({{2, 3, 4}, {1, 1, 4}}), Shape({6, 4}));
  EXPECT_EQ(sizes({{2, 3, 4}, {2, 3, 1}}), Shape({6, 4}));
  EXPECT_EQ(sizes({{2, 1, 3, 4}, {1, 1, 3, 4}}), Shape({2, 12}));
  EXPECT_EQ(sizes({{1, 1}, {1}}), Shape({1}));
}

}  // namespace
}  // namespace linn::detail::kernels
