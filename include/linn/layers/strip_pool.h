// room: layers
#pragma once

#include <cstdint>
#include <string>

#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct StripPooling2DOptions {
  DataFormat data_format = "channels_last";
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Strip pooling: each pixel times a gate that is made from the means of its row and of its column, (height, width, channels) -> the same
/// shape. Hou, Zhang, Cheng and Feng, "Strip pooling: rethinking spatial pooling for scene parsing", CVPR 2020, section 3.1: r_i = the
/// mean of row i, convolved with kernel_size rows; c_j = the mean of column j, convolved with kernel_size columns (zeros beyond the
/// border); y_ij = x_ij * sigmoid(W (r_i + c_j) + b). The paper's program also normalizes r and c and applies relu to their sum.
/// Variables: row_kernel (kernel_size, 1, channels, channels), column_kernel (1, kernel_size, channels, channels), kernel (1, 1, channels,
/// channels), bias (channels). No layer of Keras. Throws ValueError for a kernel_size below 1.
class StripPooling2D : public Layer {
 public:
  explicit StripPooling2D(std::int64_t kernel_size = 3, StripPooling2DOptions options = {});
};

}  // namespace linn
