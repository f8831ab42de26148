// room: layers
#pragma once

#include <string>

#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct FlattenOptions {
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// All values of an image in one row, in row-major order.
class Flatten : public Layer {
 public:
  explicit Flatten(FlattenOptions options = {});
};

struct InputLayerOptions {
  std::string name = {};
};

/// The shape of one image of the input, (28, 28, 1).
class InputLayer : public Layer {
 public:
  explicit InputLayer(Shape shape, InputLayerOptions options = {});
};

/// Keras's `Input(shape=...)`, as the first thing added to a Sequential.
inline InputLayer Input(Shape shape, InputLayerOptions options = {}) { return InputLayer(shape, std::move(options)); }

}  // namespace linn
