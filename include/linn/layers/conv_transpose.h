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

struct Conv2DTransposeOptions {
  Size2 strides = {1, 1};
  Padding padding = "valid";
  /// Pixels added at the bottom and at the right; below the stride. Unset: as many as the size below says.
  Size2 output_padding = {};
  DataFormat data_format = "channels_last";
  Size2 dilation_rate = {1, 1};
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

/// Transposed convolution, the gradient of a convolution as a layer: (height, width, channels) -> (rows, columns, filters).
/// With n the size of the input along an axis, s the stride and k = (kernel size - 1) * dilation_rate + 1, the output has
///   "valid": (n - 1) * s + k + output_padding, or (n - 1) * s + max(k, s) where output_padding is unset;
///   "same":  (n - 1) * s + k % 2 + output_padding, or n * s where output_padding is unset.
/// Variables: kernel (kernel rows, kernel columns, filters, channels) and bias (filters).
/// Throws ValueError for a filter count, size or stride below 1, for an output_padding not below the stride, and for strides above 1
/// together with dilation above 1. Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
class Conv2DTranspose : public Layer {
 public:
  Conv2DTranspose(std::int64_t filters, Size2 kernel_size, Conv2DTransposeOptions options = {});
};

/// One number for each size, `.strides = 2`.
using Conv1DTransposeOptions = Conv2DTransposeOptions;

/// Transposed convolution over steps, (steps, channels) -> (out, filters), with the sizes of Conv2DTranspose.
/// Variables: kernel (kernel size, filters, channels) and bias (filters). Throws ValueError as Conv2DTranspose does, and for an option with
/// two different numbers.
class Conv1DTranspose : public Layer {
 public:
  Conv1DTranspose(std::int64_t filters, std::int64_t kernel_size, Conv1DTransposeOptions options = {});
};

}  // namespace linn
