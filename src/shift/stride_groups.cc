#include "shift/stride_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <tuple>

#include "core/checked.h"
#include "linn/error.h"

namespace linn::shift {
namespace {

Size2 product(const Size2& a, const Size2& b) {
  const auto height = detail::core::checked_mul(a.height, b.height), width = detail::core::checked_mul(a.width, b.width);
  if (!height || !width) throw ValueError("[fix] the product of all strides is too large to count");
  return {*height, *width};
}

bool is_strided(const NetworkCall& call) { return call.on.strides != Size2(1, 1); }

}  // namespace

StrideGroups::StrideGroups(const Network& network, bool share) : network_(network), share_(share) {
  for (std::size_t call = 0; call < network.calls.size(); ++call) follow(call);
  collect();
}

const StrideGroup* StrideGroups::of(std::size_t call) const {
  return group_of_call_[call] < 0 ? nullptr : &collected_[static_cast<std::size_t>(group_of_call_[call])];
}

int StrideGroups::root(int group) const {
  while (parent_[static_cast<std::size_t>(group)] != group) group = parent_[static_cast<std::size_t>(group)];
  return group;
}

// Makes the choices that moved two maps the same.
void StrideGroups::join(const NetworkCall& call, const std::vector<int>& a, const std::vector<int>& b) {
  bool fits = a.size() == b.size();
  for (std::size_t i = 0; fits && i < a.size(); ++i) {
    const int first = root(a[i]), second = root(b[i]);
    if (first == second) continue;
    const NetworkCall &one = network_.calls[call_of_[static_cast<std::size_t>(first)]],
                      &other = network_.calls[call_of_[static_cast<std::size_t>(second)]];
    // A polyphase layer that is there already has chosen for itself.
    fits = one.on.strides == other.on.strides && one.on.kind == OnMap::window && other.on.kind == OnMap::window;
    if (fits) parent_[static_cast<std::size_t>(second)] = first;
  }
  if (!fits)
    throw ValueError(
        fmt::format("[fix] {}: its branches subsample in different steps, so no phase can be shared; let each branch have the same "
                    "strides in the same order",
                    about(call, "joins maps")));
}

void StrideGroups::follow(std::size_t index) {
  const NetworkCall& call = network_.calls[index];
  State state{.place_free = true};
  bool first = true;
  for (const Source source : call.inputs) {
    const State input = source.call == Source::image ? State{} : states_[source.call];
    const std::size_t depth = std::max(state.depth, input.depth + 1);
    if (!input.place_free) {
      if (first)
        state = input;
      else if (share_)
        join(call, state.groups, input.groups);
      first = false;
    }
    state.depth = depth;
  }
  const bool strided = !state.place_free && is_strided(call) && (call.on.kind == OnMap::window || call.on.kind == OnMap::polyphase);
  if (strided) {
    state.strides = product(state.strides, call.on.strides);
    multiple_ = {std::lcm(multiple_.height, state.strides.height), std::lcm(multiple_.width, state.strides.width)};
  }
  if (strided && share_) {
    const int group = static_cast<int>(parent_.size());
    parent_.push_back(group);
    call_of_.push_back(index);
    state.groups.push_back(group);
  }
  if (call.on.kind != OnMap::window && call.on.kind != OnMap::pad && call.on.kind != OnMap::polyphase && !acts_on_cells(call.on))
    state.place_free = true;
  states_.push_back(std::move(state));
}

void StrideGroups::collect() {
  group_of_call_.assign(network_.calls.size(), -1);
  std::vector<int> place(parent_.size(), -1);  // in collected_, by root
  for (std::size_t group = 0; group < parent_.size(); ++group) {
    const std::size_t call = call_of_[group];
    if (network_.calls[call].on.kind != OnMap::window) continue;
    int& at = place[static_cast<std::size_t>(root(static_cast<int>(group)))];
    if (at < 0) {
      at = static_cast<int>(collected_.size());
      collected_.push_back({.members = {}, .strides = network_.calls[call].on.strides});
    }
    collected_[static_cast<std::size_t>(at)].members.push_back(call);
    group_of_call_[call] = at;
  }
  const auto weight = [&](std::size_t call) {
    const Size2& size = network_.calls[call].on.size;
    return std::tuple(size.height * size.width, states_[call].depth);
  };
  for (StrideGroup& group : collected_)
    std::stable_sort(group.members.begin(), group.members.end(), [&](std::size_t a, std::size_t b) { return weight(a) > weight(b); });
}

}  // namespace linn::shift
