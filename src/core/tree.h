// The one order in which sums over shards are taken: a binary tree over shard numbers, whoever makes the sums.
//
// Node (level, i) covers shards [i * 2^level, (i + 1) * 2^level) and is node (level-1, 2i) + node (level-1, 2i+1); a node
// without a right child is its left child. The shape depends on the number of shards alone.
#pragma once

#include <cstdint>

namespace linn::detail::core {

/// Sums a sequence in tree order while it arrives in shard order, like a binary counter: `push` is called once a shard,
/// with `add(into, from)` for each join and slots 0, 1, ... as storage. Slot 0 of the last call holds the total.
/// Slots needed: tree_slots(shards).
template <class Add>
class TreeSum {
 public:
  explicit TreeSum(Add add) : add_(add) {}

  /// The slot into which the next shard's sum must be written before `push`.
  int slot() const { return depth_; }

  void push() {
    ++depth_;
    for (std::int64_t carry = count_; (carry & 1) != 0; carry >>= 1) join();
    ++count_;
  }

  /// Joins what is left over when the number of shards is no power of two; then slot 0 is the total.
  void finish() {
    while (depth_ > 1) join();
  }

 private:
  void join() {
    add_(depth_ - 2, depth_ - 1);
    --depth_;
  }

  Add add_;
  int depth_ = 0;
  std::int64_t count_ = 0;
};

/// Slots that TreeSum uses for so many shards: at most one a level, and the newcomer.
constexpr int tree_slots(std::int64_t shards) {
  int slots = 1;
  for (; shards > 1; shards = (shards + 1) / 2) ++slots;
  return slots;
}

}  // namespace linn::detail::core
