// room: layers
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "linn/axes.h"

namespace linn {

class ActivationDescription;
class ActivationFunction;

namespace detail {
const std::shared_ptr<const ActivationDescription>& description_of(const ActivationFunction& function);
}

/// An activation function with its arguments: by Keras's name, `.activation = "relu"`, or with arguments from `linn::activations`,
/// `.activation = linn::activations::leaky_relu({.negative_slope = 0.1})`. `linn layers activation` and docs/layers.md list all of them.
/// Throws ValueError for an unknown name, with a guess at what was meant.
class ActivationFunction {
 public:
  ActivationFunction(const char* name) : ActivationFunction(std::string(name)) {}
  ActivationFunction(const std::string& name);
  explicit ActivationFunction(std::shared_ptr<const ActivationDescription> description) : description_(std::move(description)) {}

  /// Keras's name: "leaky_relu".
  std::string_view name() const;

 private:
  friend const std::shared_ptr<const ActivationDescription>& detail::description_of(const ActivationFunction& function);

  std::shared_ptr<const ActivationDescription> description_;
};

using ActivationName = ActivationFunction;

/// The functions that take arguments, with Keras's names and defaults. ValueError for an argument outside its range.
namespace activations {

struct ReluOptions {
  double negative_slope = 0;
  std::optional<double> max_value = {};
  double threshold = 0;
};
/// max_value where x >= max_value, x where x > threshold, else negative_slope * (x - threshold).
ActivationFunction relu(const ReluOptions& options);

struct LeakyReluOptions {
  double negative_slope = 0.2;
};
/// x where x >= 0, else negative_slope * x.
ActivationFunction leaky_relu(const LeakyReluOptions& options);

struct EluOptions {
  double alpha = 1;
};
/// x where x > 0, else alpha * (exp(x) - 1). Clevert et al., "Fast and accurate deep network learning by ELUs", ICLR 2016.
ActivationFunction elu(const EluOptions& options);

struct CeluOptions {
  double alpha = 1;
};
/// x where x > 0, else alpha * (exp(x / alpha) - 1). Barron, "Continuously differentiable exponential linear units", 2017.
ActivationFunction celu(const CeluOptions& options);

struct GeluOptions {
  bool approximate = false;
};
/// x times the normal distribution's cumulative function, or its approximation by tanh. Hendrycks and Gimpel 2016.
ActivationFunction gelu(const GeluOptions& options);

struct SoftShrinkOptions {
  double threshold = 0.5;
};
/// x - threshold where x > threshold, x + threshold where x < -threshold, else 0.
ActivationFunction soft_shrink(const SoftShrinkOptions& options);

struct HardShrinkOptions {
  double threshold = 0.5;
};
/// x where |x| > threshold, else 0.
ActivationFunction hard_shrink(const HardShrinkOptions& options);

struct ThresholdOptions {
  double threshold = 0;
  double default_value = 0;
};
/// x where x > threshold, else default_value. Keras has no defaults for the two; give both.
ActivationFunction threshold(const ThresholdOptions& options);

struct SquareplusOptions {
  double b = 4;
};
/// (x + sqrt(x^2 + b)) / 2.
ActivationFunction squareplus(const SquareplusOptions& options);

struct PowerOptions {
  double exponent = 2;
};
/// x^exponent: 0.5 is the square root, -1 the reciprocal. NaN for x < 0 unless the exponent is whole. Keras has no activation of this name;
/// nor has it "log", the natural logarithm.
ActivationFunction power(const PowerOptions& options);

struct AxisOptions {
  /// Along which the function sees all values; several axes are taken together.
  Axes axis = -1;
};
/// exp(x) divided by its sum.
ActivationFunction softmax(const AxisOptions& options);
/// The logarithm of softmax.
ActivationFunction log_softmax(const AxisOptions& options);
/// max(x - t, 0), with t such that the values sum to 1. Martins and Astudillo, "From softmax to sparsemax", ICML 2016. One axis. Keras up to
/// 3.15 gives values that do not sum to 1 where more than one is kept.
ActivationFunction sparsemax(const AxisOptions& options);
/// The first half times the sigmoid of the second. Dauphin et al., "Language modeling with gated convolutional networks", ICML 2017. One axis.
ActivationFunction glu(const AxisOptions& options);

}  // namespace activations
}  // namespace linn
