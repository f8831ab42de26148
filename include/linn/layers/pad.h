// room: layers
#pragma once

#include <string>

#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct ZeroPadding2DOptions {
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Rows and columns of zeros around the map, (height, width, channels) -> (top + height + bottom, left + width + right, channels):
/// `ZeroPadding2D(1)` on every side, `ZeroPadding2D({1, 2})` one row above and below and two columns left and right,
/// `ZeroPadding2D({{1, 2}, {3, 4}})` top, bottom, left, right. Throws ValueError for a number below 0.
class ZeroPadding2D : public Layer {
 public:
  ZeroPadding2D(Pads2 padding = 1, ZeroPadding2DOptions options = {});
};

using ZeroPadding1DOptions = ZeroPadding2DOptions;

/// Steps of zeros before and after, (steps, channels) -> (before + steps + after, channels): `ZeroPadding1D(1)`, `ZeroPadding1D({1, 2})`.
class ZeroPadding1D : public Layer {
 public:
  ZeroPadding1D(Pads1 padding = 1, ZeroPadding1DOptions options = {});
};

}  // namespace linn
