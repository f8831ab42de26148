// room: layers
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "linn/activations.h"
#include "linn/axes.h"
#include "linn/layer.h"

namespace linn {

struct ActivationOptions {
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// An activation function as a layer of its own.
class Activation : public Layer {
 public:
  explicit Activation(ActivationFunction activation, ActivationOptions options = {});
};

struct DropoutOptions {
  /// The shape of the mask, the batch axis first: 0 (None in Keras) for an axis of its own numbers, 1 for an axis along which all share one.
  /// Unset: each element has its own.
  std::optional<Sizes> noise_shape = {};
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// While training, sets values to zero with probability `rate` and scales the others by 1 / (1 - rate); else nothing.
/// Throws ValueError for a rate outside [0, 1). The mask is a function of (seed, step, layer, element).
class Dropout : public Layer {
 public:
  explicit Dropout(double rate, DropoutOptions options = {});
};

struct RescalingOptions {
  double offset = 0;
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// x * scale + offset, such as Rescaling(1.0 / 255).
class Rescaling : public Layer {
 public:
  explicit Rescaling(double scale, RescalingOptions options = {});
};

}  // namespace linn
