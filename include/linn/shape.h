// room: core
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace linn {

/// The sizes of a tensor, outermost first, at most eight of them. Rank 0 is a scalar.
/// A size of `Shape::none` (-1) stands for "any number of images" and prints as `None`, as in Keras.
class Shape {
 public:
  static constexpr std::size_t max_rank = 8;
  static constexpr std::int64_t none = -1;

  Shape() = default;
  /// Throws ShapeError for more than eight sizes or a size below -1.
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(std::span<const std::int64_t> sizes);

  std::size_t rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  /// Size of an axis; a negative axis counts from the end. Throws ShapeError outside the rank.
  std::int64_t operator[](std::ptrdiff_t axis) const;
  /// Product of all sizes (1 for a scalar). Throws ShapeError if a size is none or the product passes 2^63 - 1.
  std::int64_t elements() const;

  /// The sizes without the first axis.
  Shape without_first() const;
  /// The sizes with one more axis in front.
  Shape with_first(std::int64_t size) const;

  const std::int64_t* begin() const { return sizes_.data(); }
  const std::int64_t* end() const { return sizes_.data() + rank_; }

  /// As Python prints a tuple: `(None, 28, 28, 1)`, `(10,)`, `()`.
  std::string to_string() const;

  friend bool operator==(const Shape& a, const Shape& b);

 private:
  std::array<std::int64_t, max_rank> sizes_{};
  std::size_t rank_ = 0;
};

}  // namespace linn
