// Element-wise merges of several inputs, with numpy's broadcasting inside an image, and the gradients of the inputs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "linn/shape.h"

namespace linn::detail::kernels {

/// The shape to which shapes of images broadcast: aligned at their last axes, with sizes equal or 1. Empty if they do not broadcast.
/// An open size (Shape::none) fits every size and stays open.
std::optional<Shape> broadcast_shape(std::span<const Shape> shapes);

/// The places of each input's elements, for all elements of an output image. Axes of size 1 are left out, and neighbouring axes along which
/// the same inputs are repeated are joined, so that runs along the last axis are as long as possible.
struct Broadcast {
  Shape sizes;                         // of the output image, at least one axis
  std::vector<Shape> strides;          // of each input, along each axis of `sizes`; 0: the input is repeated
  std::vector<std::int64_t> elements;  // of an image of each input

  std::int64_t inputs() const { return static_cast<std::int64_t>(strides.size()); }
  std::int64_t output_elements() const { return sizes.elements(); }
  bool repeats(std::int64_t input) const { return elements[static_cast<std::size_t>(input)] != output_elements(); }
  /// Whether all inputs have the output's shape. Then all images form one run.
  bool dense() const;
};
/// The Broadcast of inputs with these shapes, for which broadcast_shape(inputs) must not be empty.
Broadcast resolve_broadcast(std::span<const Shape> inputs);

/// The runs of one output image along its last axis, in row-major order:
///   for (Runs runs(broadcast); !runs.done(); runs.next()) ...
class Runs {
 public:
  explicit Runs(const Broadcast& broadcast) : broadcast_(broadcast), axes_(broadcast.sizes.rank() - 1) {}

  bool done() const { return done_; }
  void next();
  std::int64_t count() const { return broadcast_.sizes[-1]; }
  std::int64_t output() const { return output_; }
  /// Offset of the run's first element in an image of the input.
  std::int64_t offset(std::int64_t input) const;
  /// Step between elements of the run in the input: 0 (repeated) or 1.
  std::int64_t stride(std::int64_t input) const { return broadcast_.strides[static_cast<std::size_t>(input)][-1]; }

 private:
  const Broadcast& broadcast_;
  std::size_t axes_;  // before the last
  std::array<std::int64_t, Shape::max_rank> at_{};
  std::int64_t output_ = 0;
  bool done_ = false;
};

enum class MergeKind : std::uint8_t { add, subtract, multiply, average, maximum, minimum };

/// dst = src[0] o src[1] o ... from left to right; subtract has two inputs, average is the sum divided by their number. NaN propagates.
struct Merge {
  static constexpr std::string_view name = "merge";
  struct Problem {
    MergeKind kind = MergeKind::add;
    Broadcast broadcast;
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const void* const* src;  // T* of each input
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// The gradient of input `input`. An element that is repeated gets the sum over the output elements that read it, in row-major order:
///   add, average, subtract: ddst times 1, 1 / inputs or -1; multiply: ddst times the other inputs, in their order;
///   maximum, minimum: ddst where src[input] is the result; of equal inputs the first takes it, as in Keras on TensorFlow.
/// Overwrites dsrc. Only multiply, maximum and minimum read src.
struct MergeGradient {
  static constexpr std::string_view name = "merge_gradient";
  struct Problem {
    MergeKind kind = MergeKind::add;
    Broadcast broadcast;
    std::int64_t input = 0;
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const void* const* src;
    const T* ddst;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// a o b: one step of a merge.
template <class T>
T merge_step(MergeKind kind, T a, T b) {
  switch (kind) {
    case MergeKind::add:
    case MergeKind::average: return a + b;
    case MergeKind::subtract: return a - b;
    case MergeKind::multiply: return a * b;
    case MergeKind::maximum: return a > b || a != a ? a : b;
    case MergeKind::minimum: return a < b || a != a ? a : b;
  }
  return a;
}

/// Whether the first of two inputs gets the gradient of their maximum or minimum.
template <class T>
bool first_wins(MergeKind kind, T a, T b) {
  return kind == MergeKind::maximum ? a >= b : a <= b;
}

}  // namespace linn::detail::kernels
