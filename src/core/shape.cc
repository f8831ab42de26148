#include "linn/shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/checked.h"
#include "linn/error.h"

namespace linn {

Shape::Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const std::int64_t> sizes) {
  if (sizes.size() > max_rank)
    throw ShapeError(fmt::format("a shape has {} axes; at most {} are allowed", sizes.size(), max_rank));
  for (const std::int64_t size : sizes) {
    if (size < none) throw ShapeError(fmt::format("a shape holds the size {}; sizes are 0 or more, or None", size));
    sizes_[rank_++] = size;
  }
}

std::int64_t Shape::operator[](std::ptrdiff_t axis) const {
  const auto rank = static_cast<std::ptrdiff_t>(rank_);
  const std::ptrdiff_t index = axis < 0 ? axis + rank : axis;
  if (index < 0 || index >= rank)
    throw ShapeError(fmt::format("axis {} of shape {}, which has {} axes", axis, to_string(), rank_));
  return sizes_[static_cast<std::size_t>(index)];
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : *this) {
    if (size == none) throw ShapeError(fmt::format("shape {} has an open size; its elements cannot be counted", to_string()));
    const auto next = detail::core::checked_mul(product, size);
    if (!next) throw ShapeError(fmt::format("shape {} has more than 2^63 - 1 elements (overflow)", to_string()));
    product = *next;
  }
  return product;
}

Shape Shape::without_first() const {
  if (rank_ == 0) throw ShapeError("a scalar has no first axis");
  return Shape(std::span(begin() + 1, rank_ - 1));
}

Shape Shape::with_first(std::int64_t size) const {
  if (rank_ == max_rank) throw ShapeError(fmt::format("shape {} already has {} axes", to_string(), max_rank));
  std::array<std::int64_t, max_rank> sizes{};
  sizes[0] = size;
  std::copy(begin(), end(), sizes.begin() + 1);
  return Shape(std::span(sizes.data(), rank_ + 1));
}

std::string Shape::to_string() const {
  std::string text = "(";
  for (std::size_t i = 0; i < rank_; ++i) {
    if (i > 0) text += ", ";
    text += sizes_[i] == none ? "None" : std::to_string(sizes_[i]);
  }
  if (rank_ == 1) text += ',';
  return text + ')';
}

bool operator==(const Shape& a, const Shape& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

}  // namespace linn
