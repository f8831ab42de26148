// room: layers
#pragma once

#include <cstdint>
#include <string>

#include "linn/activations.h"
#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/regularizers.h"

namespace linn {

struct DenseOptions {
  ActivationFunction activation = "linear";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer = {};
  Regularizer bias_regularizer = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// A fully connected layer over the last axis, (..., inputs) -> (..., units).
/// Variables: kernel (inputs, units) and bias (units). Throws ValueError for units below 1.
class Dense : public Layer {
 public:
  explicit Dense(std::int64_t units, DenseOptions options = {});
};

}  // namespace linn
