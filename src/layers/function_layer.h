// Layers that are an activation function: Activation, ReLU, LeakyReLU, ELU, Softmax.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "layers/apply_activation.h"
#include "layers/described.h"

namespace linn::detail::layers {

/// `Config` is a struct of options with a function_of(config), which gives the activation function for the options.
template <class Config>
class FunctionLayer final : public Described<Config> {
 public:
  explicit FunctionLayer(Config config) : Described<Config>(std::move(config)), function_(function_of(this->config_)) {}

  Shape output_shape(const Shape& input, const std::string& where) const override { return activated_shape(input, function_, where); }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return apply_activation(to, input, function_);
  }
  OnMap on_map(std::span<const Shape> inputs) const override { return on_map_of(function_, inputs[0].rank()); }
  ActivationKind activation() const override { return kind_of(function_); }

 private:
  ActivationFunction function_;
};

}  // namespace linn::detail::layers
