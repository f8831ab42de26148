// Broadcast shapes, and iteration over their elements.
#include "kernels/merge/merge.h"

#include <algorithm>

namespace linn::detail::kernels {
namespace {

/// The size of an axis of `shape` as if it had `rank` axes: 1 for those before its first.
std::int64_t aligned_size(const Shape& shape, std::size_t axis, std::size_t rank) {
  const std::size_t missing = rank - shape.rank();
  return axis < missing ? 1 : shape[static_cast<std::ptrdiff_t>(axis - missing)];
}

std::size_t largest_rank(std::span<const Shape> shapes) {
  std::size_t rank = 0;
  for (const Shape& shape : shapes) rank = std::max(rank, shape.rank());
  return rank;
}

}  // namespace

std::optional<Shape> broadcast_shape(std::span<const Shape> shapes) {
  const std::size_t rank = largest_rank(shapes);
  std::array<std::int64_t, Shape::max_rank> sizes{};
  for (std::size_t axis = 0; axis < rank; ++axis) {
    std::int64_t met = 1;
    for (const Shape& shape : shapes) {
      const std::int64_t size = aligned_size(shape, axis, rank);
      if (size == 1 || size == met) continue;
      if (met != 1 && met != Shape::none && size != Shape::none) return std::nullopt;
      met = met == Shape::none || size == Shape::none ? Shape::none : size;
    }
    sizes[axis] = met;
  }
  return Shape(std::span<const std::int64_t>(sizes.data(), rank));
}

bool Broadcast::dense() const {
  return std::all_of(elements.begin(), elements.end(), [&](std::int64_t count) { return count == output_elements(); });
}

Broadcast resolve_broadcast(std::span<const Shape> inputs) {
  const Shape output = broadcast_shape(inputs).value();
  const std::size_t rank = output.rank();
  const auto repeated = [&](const Shape& input, std::size_t axis) { return aligned_size(input, axis, rank) != output[static_cast<std::ptrdiff_t>(axis)]; };
  // One original axis for each joined axis; it tells which inputs are repeated along it.
  std::vector<std::size_t> axes;
  std::vector<std::int64_t> sizes;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::int64_t size = output[static_cast<std::ptrdiff_t>(axis)];
    if (size == 1) continue;
    const auto as_before = [&](const Shape& input) { return repeated(input, axis) == repeated(input, axes.back()); };
    if (!axes.empty() && std::all_of(inputs.begin(), inputs.end(), as_before)) {
      sizes.back() *= size;
    } else {
      axes.push_back(axis);
      sizes.push_back(size);
    }
  }
  Broadcast result;
  result.sizes = sizes.empty() ? Shape{1} : Shape(std::span<const std::int64_t>(sizes));
  for (const Shape& input : inputs) {
    std::vector<std::int64_t> strides(result.sizes.rank(), 1);
    std::int64_t stride = 1;
    for (std::size_t axis = sizes.size(); axis-- > 0;) {
      const bool repeat = repeated(input, axes[axis]);
      strides[axis] = repeat ? 0 : stride;
      stride *= repeat ? 1 : sizes[axis];
    }
    result.strides.emplace_back(std::span<const std::int64_t>(strides));
    result.elements.push_back(stride);
  }
  return result;
}

void Runs::next() {
  output_ += count();
  for (std::size_t axis = axes_; axis-- > 0;) {
    if (++at_[axis] < broadcast_.sizes[static_cast<std::ptrdiff_t>(axis)]) return;
    at_[axis] = 0;
  }
  done_ = true;
}

std::int64_t Runs::offset(std::int64_t input) const {
  const Shape& strides = broadcast_.strides[static_cast<std::size_t>(input)];
  std::int64_t result = 0;
  for (std::size_t axis = 0; axis < axes_; ++axis) result += at_[axis] * strides[static_cast<std::ptrdiff_t>(axis)];
  return result;
}

}  // namespace linn::detail::kernels
