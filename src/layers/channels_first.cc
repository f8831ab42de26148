#include "layers/channels_first.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "plan/ops/layout.h"

namespace linn::detail::layers {
namespace {

/// 0, 1, ... rank - 1, moved in a circle by `places`.
Shape rotated_order(std::size_t rank, std::ptrdiff_t places) {
  std::vector<std::int64_t> order(rank);
  std::iota(order.begin(), order.end(), 0);
  if (rank > 0) std::rotate(order.begin(), places > 0 ? order.begin() + places : order.end() + places, order.end());
  return Shape(std::span<const std::int64_t>(order));
}

Shape rotated(const Shape& image, std::ptrdiff_t places) {
  std::vector<std::int64_t> sizes;
  for (const std::int64_t axis : rotated_order(image.rank(), places)) sizes.push_back(image[axis]);
  return Shape(std::span<const std::int64_t>(sizes));
}

}  // namespace

Shape channels_moved_last(const Shape& image) { return rotated(image, 1); }
Shape channels_moved_first(const Shape& image) { return rotated(image, -1); }

plan::Value with_channels_last(plan::Lowering& to, plan::Value image) { return plan::permute(to, image, rotated_order(image.shape.rank(), 1)); }
plan::Value with_channels_first(plan::Lowering& to, plan::Value image) { return plan::permute(to, image, rotated_order(image.shape.rank(), -1)); }

}  // namespace linn::detail::layers
