// room: core
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace linn {

/// One axis or several: `-1`, `{1, 2}`. Axis 0 is the batch axis, 1 the first of an image; negative ones count from the end. Empty: none.
class Axes {
 public:
  Axes() = default;
  Axes(std::int64_t axis) : axes_{axis}, single_(true) {}
  Axes(std::initializer_list<std::int64_t> axes) : axes_(axes) {}
  explicit Axes(std::vector<std::int64_t> axes) : axes_(std::move(axes)) {}

  const std::vector<std::int64_t>& list() const { return axes_; }
  bool empty() const { return axes_.empty(); }
  /// Whether it was given as one number, which Keras's configuration keeps apart from a list of one.
  bool single() const { return single_; }
  friend bool operator==(const Axes&, const Axes&) = default;

 private:
  std::vector<std::int64_t> axes_;
  bool single_ = false;
};

/// Sizes of axes, `{0, 1, 64}`; 0, None in Keras, is a size that is left open.
class Sizes {
 public:
  Sizes() = default;
  Sizes(std::int64_t size) : sizes_{size} {}
  Sizes(std::initializer_list<std::int64_t> sizes) : sizes_(sizes) {}
  explicit Sizes(std::vector<std::int64_t> sizes) : sizes_(std::move(sizes)) {}

  const std::vector<std::int64_t>& list() const { return sizes_; }
  friend bool operator==(const Sizes&, const Sizes&) = default;

 private:
  std::vector<std::int64_t> sizes_;
};

}  // namespace linn
