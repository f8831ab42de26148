// room: layers
// Noise while training. Its numbers are a function of the seed, the step, the layer and the place, so they are the same on any number of
// threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct SpatialDropout2DOptions {
  DataFormat data_format = "channels_last";
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Sets whole channels of an image to zero while training, each with probability `rate`, and scales the others by 1 / (1 - rate).
class SpatialDropout2D : public Layer {
 public:
  explicit SpatialDropout2D(double rate, SpatialDropout2DOptions options = {});
};

struct GaussianNoiseOptions {
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// Adds normal noise of mean 0 and the given standard deviation while training.
class GaussianNoise : public Layer {
 public:
  explicit GaussianNoise(double stddev, GaussianNoiseOptions options = {});
};

}  // namespace linn
