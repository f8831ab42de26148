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

}  // namespace linn
