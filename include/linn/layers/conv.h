// room: layers
#pragma once

#include <cstdint>
#include <string>

#include "linn/activations.h"
#include "linn/constraints.h"
#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/regularizers.h"
#include "linn/types.h"

namespace linn {

struct Conv2DOptions {
  Size2 strides = {1, 1};
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Size2 dilation_rate = {1, 1};
  std::int64_t groups = 1;
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

/// Convolution over images (height, width, channels) -> (rows, columns, filters).
/// Variables: kernel (kernel rows, kernel columns, channels / groups, filters) and bias (filters).
/// Throws ValueError for a filter count, size or stride below 1, for filters not a multiple of groups, and for strides above
/// 1 together with dilation above 1.
class Conv2D : public Layer {
 public:
  Conv2D(std::int64_t filters, Size2 kernel_size, Conv2DOptions options = {});
};

/// One number for each size, `.strides = 2`; pads in numbers are those before and after, `.padding = {0, {1, 2}}`.
using Conv1DOptions = Conv2DOptions;

/// Convolution over steps (steps, channels) -> (out, filters): Conv2D on a map of one row. `padding` may also be "causal": output t then
/// depends on no input behind t * strides (van den Oord et al., "WaveNet", 2016, section 2.1).
/// Variables: kernel (kernel size, channels / groups, filters) and bias (filters). Throws ValueError as Conv2D does, and for an option with
/// two different numbers.
class Conv1D : public Layer {
 public:
  Conv1D(std::int64_t filters, std::int64_t kernel_size, Conv1DOptions options = {});
};

}  // namespace linn
