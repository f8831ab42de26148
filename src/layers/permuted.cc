#include "layers/permuted.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/layout/layout.h"
#include "layers/axes.h"
#include "linn/error.h"
#include "plan/ops/layout.h"

namespace linn::detail::layers {

std::vector<std::size_t> image_axes(const Axes& axes, std::size_t rank, const std::string& where) {
  std::vector<std::int64_t> numbers = axes.list();
  std::sort(numbers.begin(), numbers.end());
  std::vector<std::size_t> result;
  for (const std::int64_t number : numbers) result.push_back(image_axis(number, rank, where));
  for (std::size_t i = 1; i < result.size(); ++i)
    if (result[i] <= result[i - 1])
      throw ValueError(fmt::format("{} axis is ({}); name each axis once, and all by numbers of one sign", where, fmt::join(axes.list(), ", ")));
  return result;
}

LastAxes::LastAxes(plan::Lowering& to, plan::Value src, const std::vector<std::size_t>& axes) : to_(to), single_(axes.size() == 1) {
  std::vector<std::int64_t> order, sizes;
  std::int64_t product = 1;
  for (std::size_t axis = 0; axis < src.shape.rank(); ++axis) {
    if (std::find(axes.begin(), axes.end(), axis) != axes.end()) continue;
    order.push_back(static_cast<std::int64_t>(axis));
    sizes.push_back(src.shape[static_cast<std::ptrdiff_t>(axis)]);
  }
  for (const std::size_t axis : axes) {
    order.push_back(static_cast<std::int64_t>(axis));
    product *= src.shape[static_cast<std::ptrdiff_t>(axis)];
  }
  sizes.push_back(product);
  order_ = Shape(std::span<const std::int64_t>(order));
  permuted_ = kernels::permuted({src.shape, order_});
  value_ = {plan::permute(to, src, order_).id, Shape(std::span<const std::int64_t>(sizes))};
}

plan::Value LastAxes::undo(plan::Value result) const {
  std::vector<std::int64_t> sizes(permuted_.begin(), permuted_.end());
  if (single_) sizes.back() = result.shape[-1];
  return plan::permute(to_, {result.id, Shape(std::span<const std::int64_t>(sizes))}, kernels::inverse_order(order_));
}

}  // namespace linn::detail::layers
