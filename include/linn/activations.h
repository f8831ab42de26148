// room: layers
#pragma once

#include <string>

namespace linn {

/// The name of an activation: linear, relu, relu6, leaky_relu, elu, selu, softplus, softsign, sigmoid, hard_sigmoid, silu
/// (swish), hard_silu (hard_swish), gelu, tanh, exponential, mish, log_sigmoid, softmax, log_softmax.
/// Throws ValueError for an unknown one, with a guess at what was meant.
class ActivationName {
 public:
  ActivationName(const char* name) : ActivationName(std::string(name)) {}
  ActivationName(const std::string& name);
  const std::string& name() const { return name_; }

 private:
  std::string name_;
};

}  // namespace linn
