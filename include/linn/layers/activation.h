// room: layers
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>

#include "linn/activations.h"
#include "linn/layer.h"

namespace linn {

struct ActivationOptions {
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

struct ActivationConfig {
  ActivationName activation = "linear";
  ActivationOptions options = {};
};

template <class Config, class Visitor>
  requires std::same_as<std::remove_const_t<Config>, ActivationConfig>
void describe(Config& config, Visitor&& visit) {
  auto& [activation, options] = config;
  auto& [name, trainable, input_shape] = options;
  visit.common(name, trainable, input_shape);
  visit.required("activation", activation);
}

/// An activation function as a layer of its own.
class Activation : public Layer {
 public:
  explicit Activation(ActivationName activation, ActivationOptions options = {});
};

struct DropoutOptions {
  std::optional<std::uint64_t> seed = {};
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

struct DropoutConfig {
  double rate = 0;
  DropoutOptions options = {};
};

template <class Config, class Visitor>
  requires std::same_as<std::remove_const_t<Config>, DropoutConfig>
void describe(Config& config, Visitor&& visit) {
  auto& [rate, options] = config;
  auto& [seed, name, trainable, input_shape] = options;
  visit.common(name, trainable, input_shape);
  visit.required("rate", rate);
  visit("seed", seed);
}

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

struct RescalingConfig {
  double scale = 1;
  RescalingOptions options = {};
};

template <class Config, class Visitor>
  requires std::same_as<std::remove_const_t<Config>, RescalingConfig>
void describe(Config& config, Visitor&& visit) {
  auto& [scale, options] = config;
  auto& [offset, name, trainable, input_shape] = options;
  visit.common(name, trainable, input_shape);
  visit.required("scale", scale);
  visit("offset", offset);
}

/// x * scale + offset, such as Rescaling(1.0 / 255).
class Rescaling : public Layer {
 public:
  explicit Rescaling(double scale, RescalingOptions options = {});
};

}  // namespace linn
