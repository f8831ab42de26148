// The strides of a network: which of them must keep the same phase, because their maps meet again.
#pragma once

#include <cstddef>
#include <vector>

#include "linn/types.h"
#include "shift/network.h"

namespace linn::shift {

/// Strided layers whose maps meet, as the two branches of a residual block do. One choice of the phase must serve all of them.
struct StrideGroup {
  /// Calls. The first one's map decides about the phase: that of the largest window, of equal ones the one behind most layers.
  std::vector<std::size_t> members;
  Size2 strides;
};

/// Follows the strides from the image to every value. A value's list of groups says which choices of phases moved its map.
class StrideGroups {
 public:
  /// `share`: strided windows become polyphase layers, so the lists of maps that meet must agree. Throws ValueError where they cannot:
  /// branches with strides of their own that are not the same on both sides.
  StrideGroups(const Network& network, bool share);

  /// The group of a strided window; null for other calls.
  const StrideGroup* of(std::size_t call) const;
  /// Product of the strides up to the call's output.
  Size2 strides_at(std::size_t call) const { return states_[call].strides; }
  /// The least size in which every stride divides its map is a multiple of this.
  Size2 least_multiple() const { return multiple_; }

 private:
  struct State {
    bool place_free = false;  // behind a global pooling or a Flatten
    std::vector<int> groups = {};
    Size2 strides = {1, 1};
    std::size_t depth = 0;  // calls on the longest path from the image
  };

  State merged(const NetworkCall& call) const;
  void follow(std::size_t call);
  void join(const NetworkCall& call, const std::vector<int>& a, const std::vector<int>& b);
  int root(int group) const;
  void collect();

  const Network& network_;
  bool share_;
  std::vector<State> states_;
  std::vector<int> parent_;             // union-find over strided calls
  std::vector<std::size_t> call_of_;    // by group number
  std::vector<StrideGroup> collected_;  // by root
  std::vector<int> group_of_call_;      // index in collected_, -1: none
  Size2 multiple_ = {1, 1};
};

}  // namespace linn::shift
