#include "formats/onnx/layout.h"

#include <algorithm>
#include <numeric>

#include "core/checked.h"

namespace linn::detail::formats::onnx {
namespace {

// Neighbouring axes of the source that become neighbouring axes of the target.
struct Group {
  std::vector<std::size_t> from, to;
};

// Axes of size 1 belong to the group before them, or are a group of their own at the beginning.
std::vector<Group> groups_of(const Sizes& from, const Sizes& to) {
  std::vector<Group> groups;
  std::size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    Group group;
    std::int64_t left = 1, right = 1;
    // 0 when it overflows, which no group can equal.
    const auto take_from = [&] { left = core::checked_mul(left, from[i]).value_or(0), group.from.push_back(i++); };
    const auto take_to = [&] { right = core::checked_mul(right, to[j]).value_or(0), group.to.push_back(j++); };
    if (i < from.size()) take_from();
    if (j < to.size()) take_to();
    const bool open = left == Shape::none || right == Shape::none;
    if (open && left != right) return {};
    while (left != right) {
      if (left < right ? i == from.size() : j == to.size()) return {};
      left < right ? take_from() : take_to();
      if (left < 1 || right < 1) return {};
    }
    while (i < from.size() && from[i] == 1) take_from();
    while (j < to.size() && to[j] == 1) take_to();
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace

Order onnx_order(std::size_t rank) {
  Order order(rank);
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

Order channels_last(std::size_t rank) {
  Order order(rank);
  for (std::size_t i = 0; i < rank; ++i) order[i] = i == 0 ? rank - 1 : i - 1;
  return order;
}

Order transposed(const Order& order, std::span<const std::size_t> axes) {
  Order result;
  for (const std::size_t axis : axes) result.push_back(order[axis]);
  return result;
}

Sizes in_onnx_order(const Shape& image, const Order& order) {
  Sizes sizes;
  for (const std::size_t axis : order) sizes.push_back(image.begin()[axis]);
  return sizes;
}

std::vector<std::size_t> onnx_places(const Activation::Row& row) {
  const std::size_t rank = row.order.size();
  // Steps in ONNX's row along linn's axes.
  std::vector<std::size_t> steps(rank);
  std::size_t step = 1;
  for (std::size_t i = rank; i-- > 0;) {
    steps[row.order[i]] = step;
    step *= static_cast<std::size_t>(row.image.begin()[row.order[i]]);
  }
  std::vector<std::size_t> places(step);
  std::vector<std::int64_t> at(rank, 0);
  std::size_t place = 0;
  for (std::size_t k = 0; k < places.size(); ++k) {
    places[k] = place;
    for (std::size_t axis = rank; axis-- > 0;) {
      place += steps[axis];
      if (++at[axis] < row.image.begin()[axis]) break;
      place -= steps[axis] * static_cast<std::size_t>(at[axis]);
      at[axis] = 0;
    }
  }
  return places;
}

std::optional<ReshapePlan> plan_reshape(const Sizes& sizes, const Order& order, const Sizes& target) {
  std::vector<Group> groups = groups_of(sizes, target);
  if (groups.empty() && !(sizes.empty() && target.empty())) {
    // All axes are one group; only what has no open size can be taken so.
    if (std::count(sizes.begin(), sizes.end(), Shape::none) + std::count(target.begin(), target.end(), Shape::none) > 0)
      return std::nullopt;
    const Order all = onnx_order(sizes.size()), to = onnx_order(target.size());
    groups = {{{all.begin(), all.end()}, {to.begin(), to.end()}}};
  }
  // The axes of each group that are larger than 1 must be neighbours in linn too. Groups stand in linn in the order of their first axes.
  struct Placed {
    const Group* group;
    std::size_t first;
    std::vector<std::size_t> axes;  // linn's, in ONNX's order
  };
  std::vector<Placed> placed;
  for (const Group& group : groups) {
    Placed entry{&group, sizes.size(), {}};
    for (const std::size_t axis : group.from)
      if (sizes[axis] != 1) entry.axes.push_back(order[axis]), entry.first = std::min(entry.first, order[axis]);
    placed.push_back(std::move(entry));
  }
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) { return a.first < b.first; });

  ReshapePlan plan;
  plan.order.resize(target.size());
  Order wanted;
  for (const Placed& entry : placed) {
    wanted.insert(wanted.end(), entry.axes.begin(), entry.axes.end());
    for (const std::size_t axis : entry.group->to) {
      plan.order[axis] = plan.sizes.size();
      plan.sizes.push_back(target[axis]);
    }
  }
  if (std::is_sorted(wanted.begin(), wanted.end())) return plan;
  for (std::size_t i = 0; i < sizes.size(); ++i)  // axes of size 1 may stand anywhere
    if (sizes[i] == 1) wanted.push_back(order[i]);
  plan.before = std::move(wanted);
  return plan;
}

}  // namespace linn::detail::formats::onnx
