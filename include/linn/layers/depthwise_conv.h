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

struct DepthwiseConv2DOptions {
  Size2 strides = {1, 1};
  Padding padding = "valid";
  std::int64_t depth_multiplier = 1;
  DataFormat data_format = "channels_last";
  Size2 dilation_rate = {1, 1};
  ActivationFunction activation = "linear";
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer depthwise_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint depthwise_constraint = {};
  Constraint bias_constraint = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Convolution of each channel alone: (height, width, channels) -> (rows, columns, channels * depth_multiplier). Output channel
/// c * depth_multiplier + m is channel c with filter m. `strides` and `dilation_rate` may both be above 1.
/// Variables: kernel (kernel rows, kernel columns, channels, depth_multiplier) and bias (channels * depth_multiplier).
/// Throws ValueError for a size, stride, dilation rate or depth multiplier below 1.
class DepthwiseConv2D : public Layer {
 public:
  explicit DepthwiseConv2D(Size2 kernel_size, DepthwiseConv2DOptions options = {});
};

/// One number for each size, `.strides = 2`.
using DepthwiseConv1DOptions = DepthwiseConv2DOptions;

/// DepthwiseConv2D over steps, (steps, channels) -> (out, channels * depth_multiplier).
/// Variables: kernel (kernel size, channels, depth_multiplier) and bias (channels * depth_multiplier).
class DepthwiseConv1D : public Layer {
 public:
  explicit DepthwiseConv1D(std::int64_t kernel_size, DepthwiseConv1DOptions options = {});
};

struct SeparableConv2DOptions {
  Size2 strides = {1, 1};
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Size2 dilation_rate = {1, 1};
  std::int64_t depth_multiplier = 1;
  ActivationFunction activation = "linear";
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform";
  Initializer pointwise_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer depthwise_regularizer = {};
  Regularizer pointwise_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint depthwise_constraint = {};
  Constraint pointwise_constraint = {};
  Constraint bias_constraint = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// A depthwise convolution without bias, then a 1x1 convolution: (height, width, channels) -> (rows, columns, filters).
/// Variables: depthwise_kernel (kernel rows, kernel columns, channels, depth_multiplier), pointwise_kernel
/// (1, 1, channels * depth_multiplier, filters) and bias (filters).
/// Throws ValueError for a filter count, size, stride, dilation rate or depth multiplier below 1.
/// Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2017.
class SeparableConv2D : public Layer {
 public:
  SeparableConv2D(std::int64_t filters, Size2 kernel_size, SeparableConv2DOptions options = {});
};

/// One number for each size, `.strides = 2`.
using SeparableConv1DOptions = SeparableConv2DOptions;

/// SeparableConv2D over steps, (steps, channels) -> (out, filters). Variables: depthwise_kernel (kernel size, channels, depth_multiplier),
/// pointwise_kernel (1, channels * depth_multiplier, filters) and bias (filters).
class SeparableConv1D : public Layer {
 public:
  SeparableConv1D(std::int64_t filters, std::int64_t kernel_size, SeparableConv1DOptions options = {});
};

}  // namespace linn
