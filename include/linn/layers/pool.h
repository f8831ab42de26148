// room: layers
#pragma once

#include <string>

#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct Pooling2DOptions {
  Size2 strides = {};  // unset: the pool size
  Padding padding = "valid";
  Size2 dilation_rate = {1, 1};  // pixels from one cell of a window to the next; Keras has none
  bool ceil_mode = false;        // whether the last window may reach beyond the end of the map; Keras has none
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The largest value of each window, (height, width, channels) -> (rows, columns, channels). The first maximum in row-major
/// order takes the gradient; NaN propagates.
class MaxPooling2D : public Layer {
 public:
  MaxPooling2D(Size2 pool_size = {2, 2}, Pooling2DOptions options = {});
};

/// The mean of each window's cells inside the map.
class AveragePooling2D : public Layer {
 public:
  AveragePooling2D(Size2 pool_size, Pooling2DOptions options = {});
};

struct GlobalPooling2DOptions {
  DataFormat data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The largest value of each channel, (height, width, channels) -> (channels), or (1, 1, channels) with keepdims.
/// Equal maxima share the gradient.
class GlobalMaxPooling2D : public Layer {
 public:
  explicit GlobalMaxPooling2D(GlobalPooling2DOptions options = {});
};

/// The mean of each channel.
class GlobalAveragePooling2D : public Layer {
 public:
  explicit GlobalAveragePooling2D(GlobalPooling2DOptions options = {});
};

// ---- over steps ----------------------------------------------------------------------------------------------------

/// One number for each size, `.strides = 2`; pads in numbers are those before and after, `.padding = {0, {1, 2}}`.
using Pooling1DOptions = Pooling2DOptions;

/// The largest value of each window of steps, (steps, channels) -> (out, channels): MaxPooling2D on a map of one row.
class MaxPooling1D : public Layer {
 public:
  MaxPooling1D(std::int64_t pool_size = 2, Pooling1DOptions options = {});
};

/// The mean of each window's steps inside the row.
class AveragePooling1D : public Layer {
 public:
  AveragePooling1D(std::int64_t pool_size, Pooling1DOptions options = {});
};

using GlobalPooling1DOptions = GlobalPooling2DOptions;

/// The largest value of each channel, (steps, channels) -> (channels), or (1, channels) with keepdims. Equal maxima share the gradient.
class GlobalMaxPooling1D : public Layer {
 public:
  explicit GlobalMaxPooling1D(GlobalPooling1DOptions options = {});
};

/// The mean of each channel over all steps.
class GlobalAveragePooling1D : public Layer {
 public:
  explicit GlobalAveragePooling1D(GlobalPooling1DOptions options = {});
};

}  // namespace linn
