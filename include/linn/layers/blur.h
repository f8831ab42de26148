// room: layers
#pragma once

#include <cstdint>
#include <string>

#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct BlurPooling2DOptions {
  Size2 strides = {2, 2};
  BlurBorder border = "reflect";
  BlurPads pads = "zhang";
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Anti-aliased downsampling (Zhang 2019, arXiv 1904.11486): each channel is blurred by the binomial filter of filter_size taps (2 to 7;
/// 3: 1 2 1, 4: 1 3 3 1, ...) along both axes, summing up to 1, and every stride-th pixel kept. No parameters. No layer of Keras.
///
/// What lies beyond the border, and how much of it, differs among libraries:
/// - antialiased-cnns (Zhang's own): the defaults, `{.border = "reflect", .pads = "zhang"}`; `border` may be "replicate" or "zero" there
/// too;
/// - timm's BlurPool2d: `{.border = "reflect", .pads = "timm"}`; at stride 2 it differs from Zhang's for even filter_size, where the output
/// of
///   an even map is one larger;
/// - kornia's BlurPool2D: `{.border = "zero", .pads = "kornia"}`; the zeros darken the border, and with even filter_size the output of an
/// odd map
///   is one smaller at stride 2;
/// - "circular" blurs round the map, as proofs of shift invariance want it: with `.pads = "zhang"` and maps whose sizes are
///   multiples of the stride, a circular shift by a multiple of the stride is one of the output.
///
/// Throws ValueError for filter_size outside 2 to 7 and strides below 1, ShapeError where "reflect" has too small a map.
class BlurPooling2D : public Layer {
 public:
  explicit BlurPooling2D(std::int64_t filter_size = 4, BlurPooling2DOptions options = {});
};

struct MaxBlurPooling2DOptions {
  std::int64_t filter_size = 4;
  Size2 strides = {};  // unset: the pool size
  Padding padding = "valid";
  Size2 dilation_rate = {1, 1};  // of the maximum
  BlurBorder border = "reflect";
  BlurPads pads = "zhang";
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// What Zhang puts in place of MaxPooling2D(pool_size, strides): the largest value of each window at stride 1, then
/// BlurPooling2D(filter_size) with the strides. `padding` is that of the maximum ("valid", "same" or "circular"), `border` and `pads` are
/// those of the blur, as in BlurPooling2D: antialiased-cnns takes the defaults, kornia's MaxBlurPool2D is `{.border = "zero", .pads =
/// "kornia"}`, and a circular shift of the input is one of the output only with `{.padding = "circular", .border = "circular"}`. No layer
/// of Keras.
class MaxBlurPooling2D : public Layer {
 public:
  MaxBlurPooling2D(Size2 pool_size = {2, 2}, MaxBlurPooling2DOptions options = {});
};

}  // namespace linn
