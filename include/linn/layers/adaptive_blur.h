// room: layers
#pragma once

#include <cstdint>
#include <string>

#include "linn/initializers.h"
#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct AdaptiveBlurPooling2DOptions {
  Size2 strides = {2, 2};
  /// Groups of channels with a filter of their own. They divide the channels.
  std::int64_t groups = 8;
  BlurBorder border = "reflect";
  /// Of the batch normalization of the logits.
  double momentum = 0.99;
  double epsilon = 1e-3;
  DataFormat data_format = "channels_last";
  Initializer kernel_initializer = "glorot_uniform";
  Initializer gamma_initializer = "ones";
  Initializer beta_initializer = "zeros";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// DDAC, a blur whose filter is made from the map, for each pixel and each group of channels, (height, width, channels) -> (ceil(height /
/// strides.height), ceil(width / strides.width), channels). Zou, Xiao, Yu and Lee, "Delving deeper into anti-aliasing in ConvNets", BMVC
/// 2020, section 3: y[i,j,c] = sum over the filter_size * filter_size cells (p,q) of the window of w[g(c),i,j,p,q] x[i+p,j+q,c],
/// w[g,i,j] = softmax over (p,q) of BatchNormalization(Conv2D(x)), then every stride-th pixel. The softmax makes each filter a low-pass
/// filter. It is taken for each group, as the paper writes; the paper's program takes one over all groups together, whose filters sum to 1
/// only in all. linn computes the filters of the pixels that are kept alone. No layer of Keras.
///
/// Variables: kernel (filter_size, filter_size, channels, groups * filter_size * filter_size), gamma, beta, moving_mean and
/// moving_variance (groups * filter_size * filter_size). With gamma 0 the filter is softmax(beta), the same everywhere: the mean of the
/// window with beta 0, BlurPooling2D(filter_size) with the logarithms of its weights.
/// `border` as in BlurPooling2D, with Zhang's pads.
/// Guarantee: with border "circular", strides that divide the map, and a stride above 1 (or any network with a polyphase layer), a circular
/// shift by a multiple of the strides is one of the output, bit for bit, in inference. None for other shifts: what moves is only blurred.
/// Throws ValueError for filter_size outside 2 to 7, strides or groups below 1, momentum outside [0, 1] and epsilon below 0; ShapeError for
/// groups that do not divide the channels and where "reflect" has too small a map.
class AdaptiveBlurPooling2D : public Layer {
 public:
  explicit AdaptiveBlurPooling2D(std::int64_t filter_size = 3, AdaptiveBlurPooling2DOptions options = {});
};

}  // namespace linn
