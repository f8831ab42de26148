// room: layers
#pragma once

#include <cstdint>
#include <string>

#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct MaxPoolingWithArgmax2DOptions {
  Size2 strides = {};  // unset: the pool size
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// MaxPooling2D with two outputs: the largest value of each window, and its place, row * width + column of the map that was pooled, as a
/// real number (exact for maps of up to 2^24 pixels), both (output height, output width, channels). For MaxUnpooling2D, which puts values
/// back at these places (Badrinarayanan, Kendall and Cipolla, "SegNet", 2017, section 3). Of equal maxima the first in row-major order is
/// taken; NaN propagates. Places have no gradient. PyTorch: MaxPool2d(return_indices=True). No layer of Keras.
///
///     auto pooled = linn::MaxPoolingWithArgmax2D(2).call({map});  // {maxima, places}
///     auto back = linn::MaxUnpooling2D(2)({pooled[0], pooled[1]});
///
/// Throws ValueError for sizes below 1 and for a padding other than "valid", "same" or numbers, ShapeError where the window does not fit
/// the map.
class MaxPoolingWithArgmax2D : public Layer {
 public:
  explicit MaxPoolingWithArgmax2D(Size2 pool_size = {2, 2}, MaxPoolingWithArgmax2DOptions options = {});
};

struct MaxUnpooling2DOptions {
  Size2 strides = {};      // unset: the pool size
  Size2 output_size = {};  // unset: (size - 1) * strides + pool_size
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Called with [values, places], both (height, width, channels): a map of zeros in which each value lies at its place, row * width + column
/// of the output (output height, output width, channels). output_size is the size of the map that was pooled: without it (size - 1) *
/// strides + pool_size, which is right where the windows shared it out without a rest. Values with the same place are added, so that its
/// gradient is that of the sum; places outside the output are left out. PyTorch: MaxUnpool2d. No layer of Keras. Throws ValueError for
/// sizes below 1, ShapeError for inputs that are not two maps of one shape.
class MaxUnpooling2D : public Layer {
 public:
  explicit MaxUnpooling2D(Size2 pool_size = {2, 2}, MaxUnpooling2DOptions options = {});
};

}  // namespace linn
