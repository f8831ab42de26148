// room: layers
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include "linn/activations.h"
#include "linn/initializers.h"
#include "linn/layer.h"

namespace linn {

struct DenseOptions {
  ActivationName activation = "linear";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

struct DenseConfig {
  std::int64_t units = 1;
  DenseOptions options = {};
};

template <class Config, class Visitor>
  requires std::same_as<std::remove_const_t<Config>, DenseConfig>
void describe(Config& config, Visitor&& visit) {
  auto& [units, options] = config;
  auto& [activation, use_bias, kernel_initializer, bias_initializer, name, trainable, input_shape] = options;
  visit.common(name, trainable, input_shape);
  visit.required("units", units);
  visit("activation", activation);
  visit("use_bias", use_bias);
  visit("kernel_initializer", kernel_initializer);
  visit("bias_initializer", bias_initializer);
}

/// A fully connected layer over the last axis, (..., inputs) -> (..., units).
/// Variables: kernel (inputs, units) and bias (units). Throws ValueError for units below 1.
class Dense : public Layer {
 public:
  explicit Dense(std::int64_t units, DenseOptions options = {});
};

}  // namespace linn
