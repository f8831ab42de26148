// room: layers
// Layers of several inputs.
#pragma once

#include <cstdint>
#include <string>

#include "linn/layer.h"

namespace linn {

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
