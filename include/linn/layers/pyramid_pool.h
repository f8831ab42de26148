// room: layers
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "linn/axes.h"
#include "linn/choice.h"
#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct PyramidPoolingNames {
  enum Kind : std::uint8_t { max, average };
  static constexpr std::string_view option = "pooling", names[] = {"max", "average"};
  static consteval void check(bool known) {
    if (!known) throw "pooling must be \"max\" or \"average\"";
  }
};
/// What a pyramid takes of each of its windows. A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using PyramidPooling = Choice<PyramidPoolingNames>;

struct SpatialPyramidPooling2DOptions {
  PyramidPooling pooling = "max";
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// A row of one length for maps of all sizes, (height, width, channels) -> (channels * sum of level^2): for each level n in their order the
/// n x n windows of AdaptiveMaxPooling2D(n) (or AdaptiveAveragePooling2D), row by row, each with all its channels. He, Zhang, Ren and Sun,
/// "Spatial pyramid pooling in deep convolutional networks for visual recognition", ECCV 2014, section 2.2. No variables. No layer of
/// Keras. Only {1} alone with "max" is a global pooling that a circular shift leaves as it is, bit for bit; the windows of other levels see
/// places. Throws ValueError for no level, more than eight, or one below 1.
class SpatialPyramidPooling2D : public Layer {
 public:
  explicit SpatialPyramidPooling2D(Axes levels = {1, 2, 4}, SpatialPyramidPooling2DOptions options = {});
};

}  // namespace linn
