#include "core/tree.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace linn::detail::core {
namespace {

/// The definition: node (level, i), written out as brackets.
std::string node(int level, std::int64_t i, std::int64_t shards) {
  if (level == 0) return std::to_string(i);
  const std::string left = node(level - 1, 2 * i, shards);
  if (((2 * i + 1) << (level - 1)) >= shards) return left;
  return "(" + left + "+" + node(level - 1, 2 * i + 1, shards) + ")";
}

TEST(TreeSum, AsDefinedForEveryCount) {
  for (std::int64_t shards = 1; shards <= 130; ++shards) {
    int levels = 0;
    while ((std::int64_t{1} << levels) < shards) ++levels;
    std::vector<std::string> slots(static_cast<std::size_t>(tree_slots(shards)));
    TreeSum tree([&](int into, int from) {
      std::string& left = slots.at(static_cast<std::size_t>(into));
      left = "(" + left + "+" + slots.at(static_cast<std::size_t>(from)) + ")";
    });
    for (std::int64_t shard = 0; shard < shards; ++shard) {
      slots.at(static_cast<std::size_t>(tree.slot())) = std::to_string(shard);
      tree.push();
    }
    tree.finish();
    EXPECT_EQ(slots[0], node(levels, 0, shards)) << shards;
  }
}

TEST(TreeSum, Slots) {
  EXPECT_EQ(tree_slots(1), 1);
  EXPECT_EQ(tree_slots(2), 2);
  EXPECT_EQ(tree_slots(8), 4);
  EXPECT_EQ(tree_slots(9), 5);
}

}  // namespace
}  // namespace linn::detail::core
