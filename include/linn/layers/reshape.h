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

/// The shape of one image of the input, (28, 28, 1). Height and width may be Shape::none in a network that takes images of any size.
class InputLayer : public Layer {
 public:
  explicit InputLayer(Shape shape, InputLayerOptions options = {});
};

/// Keras's `Input(shape=...)`: the value that a functional model begins with, or the first thing added to a Sequential.
SymbolicTensor Input(Shape shape, InputLayerOptions options = {});

}  // namespace linn
