// room: layers
// Noise while training. Its numbers are a function of the seed, the step, the layer and the place, so they are the same on any number of
// threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "linn/axes.h"
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

/// `data_format` stays as it is: Keras's class has none.
using SpatialDropout1DOptions = SpatialDropout2DOptions;

/// The same over steps (steps, channels).
class SpatialDropout1D : public Layer {
 public:
  explicit SpatialDropout1D(double rate, SpatialDropout1DOptions options = {});
};

struct GaussianDropoutOptions {
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// While training, each value times 1 + sqrt(rate / (1 - rate)) * z, z standard normal: the mean and variance of dropout with this rate.
/// Srivastava et al., "Dropout", 2014, section 10. Throws ValueError for a rate outside [0, 1).
class GaussianDropout : public Layer {
 public:
  explicit GaussianDropout(double rate, GaussianDropoutOptions options = {});
};

struct AlphaDropoutOptions {
  /// As Dropout's.
  std::optional<Sizes> noise_shape = {};
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// While training, sets values to the lower limit of selu, -1.7581, with probability `rate`, then scales and moves all so that mean 0 and
/// variance 1 stay. Klambauer et al., "Self-normalizing neural networks", 2017. Throws ValueError for a rate outside [0, 1).
class AlphaDropout : public Layer {
 public:
  explicit AlphaDropout(double rate, AlphaDropoutOptions options = {});
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
