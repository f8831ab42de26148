// Where the axes of an ONNX value lie in linn's. ONNX maps are (N, C, H, W), linn's are (height, width, channels) without a batch axis.
// A Transpose in the file changes only the bookkeeping here; numbers move when a layer needs them in a certain order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "linn/layer.h"
#include "linn/types.h"

namespace linn::detail::formats::onnx {

/// order[i] is the axis of linn's image that holds ONNX axis i + 1 (axis 0 is the batch).
using Order = std::vector<std::size_t>;
using Sizes = std::vector<std::int64_t>;

/// ONNX's own order.
Order onnx_order(std::size_t rank);
/// The channels, ONNX axis 1, come last: {2, 0, 1} for a map.
Order channels_last(std::size_t rank);
/// The order after a Transpose: axis i of the result is axis axes[i] of the source. Axes of an image, counted from 0.
Order transposed(const Order& order, std::span<const std::size_t> axes);
/// The sizes of linn's image in ONNX's order.
Sizes in_onnx_order(const Shape& image, const Order& order);

/// A value that depends on the model's inputs.
struct Activation {
  SymbolicTensor symbol;
  Order order;
  /// Of a row that was flattened without moving its numbers: the image that it was, whose `order` tells which number of ONNX's row lies
  /// where. A matrix product behind it exchanges rows of its weights instead.
  struct Row {
    Shape image;
    Order order;
    friend bool operator==(const Row&, const Row&) = default;
  };
  std::optional<Row> row = {};
  /// Rows and columns of -infinity that stand around a map and are not made yet: a maximum pooling leaves them out of its windows.
  Pads2 least = 0;
  bool is_non_negative = false;  // such as behind a Relu: zeros around it are no larger than any of its values

  std::size_t rank() const { return order.size(); }
  /// The sizes of one image in ONNX's order; Shape::none where they are open.
  Sizes sizes() const { return in_onnx_order(symbol.shape(), order); }
};

/// For each place of the row in linn, the place in ONNX's row.
std::vector<std::size_t> onnx_places(const Activation::Row& row);

/// How a Reshape of one image is made without moving numbers, or with one exchange of axes before it.
struct ReshapePlan {
  Order before;  // linn's axes of the source in this order first (as Permute); empty: as they are
  Sizes sizes;   // of the result, in linn's order; Shape::none where open
  Order order;   // of the result
};

/// From an image of `sizes` (ONNX's order, at most one Shape::none) and `order` to `target` (likewise). Empty when the sizes cannot be
/// split into groups of neighbouring axes, such as (6, 4) to (8, 3), unless the order is ONNX's own after `before`.
std::optional<ReshapePlan> plan_reshape(const Sizes& sizes, const Order& order, const Sizes& target);

}  // namespace linn::detail::formats::onnx
