// room: layers
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "linn/activations.h"
#include "linn/axes.h"
#include "linn/constraints.h"
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
  Regularizer activity_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint bias_constraint = {};
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

struct EinsumDenseOptions {
  ActivationFunction activation = "linear";
  /// The letters of the output that have a bias of their own: the letters that the kernel adds, in the output's order. Unset: no bias.
  std::optional<std::string> bias_axes = {};
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer = {};
  Regularizer bias_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint bias_constraint = {};
  Regularizer activity_regularizer = {};  // the last, as Keras takes it by name alone
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// A fully connected layer given by an equation "abc,cd->abd": letters of the input (the first is the batch), of the kernel and of the output;
/// "..." at the beginning of input and output stands for the axes not named. `output_shape`: the sizes of the output's letters but the first;
/// 0 (None in Keras) for a size that the input says. Equations are those of a matrix product: every letter of the kernel is either the
/// input's alone, and summed over, or the output's alone.
/// Variables: kernel, of the shape of its letters, and bias. Throws ValueError for other equations.
class EinsumDense : public Layer {
 public:
  EinsumDense(std::string equation, Sizes output_shape, EinsumDenseOptions options = {});
};

}  // namespace linn
