// room: layers
// Layers of several inputs.
#pragma once

#include <cstdint>
#include <string>

#include "linn/axes.h"
#include "linn/layer.h"

namespace linn {

struct DotOptions {
  /// Whether both inputs are brought to length 1 along the axes first: cosines.
  bool normalize = false;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// For each image the products of all rows of the first input with all rows of the second, summed along one axis of each: with the axes
/// last, (..., k) and (..., k) -> (first's other axes, second's other axes), or (1) where there are none. `axes`: one number for both, or two;
/// the batch axis is 0. Throws ValueError for another number of axes or the batch axis, ShapeError where the two sizes differ.
class Dot : public Layer {
 public:
  explicit Dot(Axes axes, DotOptions options = {});
};

struct MergeOptions {
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

// The inputs of these six meet as in numpy: their image shapes are aligned at the last axis, and sizes are equal or 1. (8, 8, 16) and
// (1, 1, 16) give (8, 8, 16), and so do (8, 8, 16) and (16,). ShapeError otherwise.

/// The sum of all inputs.
class Add : public Layer {
 public:
  explicit Add(MergeOptions options = {});
};

/// The first of two inputs minus the second.
class Subtract : public Layer {
 public:
  explicit Subtract(MergeOptions options = {});
};

/// The product of all inputs.
class Multiply : public Layer {
 public:
  explicit Multiply(MergeOptions options = {});
};

/// The sum of all inputs, divided by their number.
class Average : public Layer {
 public:
  explicit Average(MergeOptions options = {});
};

/// The largest of all inputs, element by element. The first of equal inputs takes the gradient; NaN propagates.
class Maximum : public Layer {
 public:
  explicit Maximum(MergeOptions options = {});
};

/// The smallest of all inputs, element by element. The first of equal inputs takes the gradient; NaN propagates.
class Minimum : public Layer {
 public:
  explicit Minimum(MergeOptions options = {});
};

struct ConcatenateOptions {
  /// Axis 0 is the batch axis, which cannot be taken; negative ones count from the end.
  std::int64_t axis = -1;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// All inputs one behind the other along one axis; their other sizes are the same, or ShapeError.
class Concatenate : public Layer {
 public:
  explicit Concatenate(ConcatenateOptions options = {});
};

}  // namespace linn
