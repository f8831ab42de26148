#include "linn/layers/activation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/did_you_mean.h"
#include "kernels/eltwise/activation.h"
#include "layers/apply_activation.h"
#include "layers/config.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/softmax.h"

namespace linn {

ActivationName::ActivationName(const std::string& name) : name_(name) {
  if (name == "softmax" || name == "log_softmax" || kernels::activation_named(name)) return;
  std::vector<std::string_view> known(kernels::activation_names().begin(), kernels::activation_names().end());
  known.insert(known.end(), {"softmax", "log_softmax"});
  throw ValueError(fmt::format("unknown activation \"{}\"{}; known are {}", name, core::did_you_mean(name, std::span<const std::string_view>(known)),
                               fmt::join(known, ", ")));
}

namespace layers {

ActivationKind kind_of(const ActivationName& activation) {
  const std::string& name = activation.name();
  if (name == "linear") return ActivationKind::linear;
  if (name == "relu" || name == "relu6") return ActivationKind::relu;
  if (name == "sigmoid") return ActivationKind::sigmoid;
  if (name == "log_sigmoid") return ActivationKind::log_sigmoid;
  if (name == "softmax") return ActivationKind::softmax;
  if (name == "log_softmax") return ActivationKind::log_softmax;
  return ActivationKind::other;
}

bool is_elementwise(const ActivationName& activation) {
  const ActivationKind kind = kind_of(activation);
  return kind != ActivationKind::softmax && kind != ActivationKind::log_softmax;
}

plan::Value apply_activation(plan::Lowering& to, plan::Value src, const ActivationName& activation) {
  if (activation.name() == "softmax" || activation.name() == "log_softmax") return plan::softmax(to, src, activation.name() == "log_softmax");
  return plan::activation(to, src, *kernels::activation_named(activation.name()));
}

namespace {

class ActivationDescription final : public Described<ActivationConfig> {
 public:
  using Described::Described;
  std::string_view class_name() const override { return "Activation"; }
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return apply_activation(to, input, config_.activation);
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override {
    return {.kind = is_elementwise(config_.activation) ? OnMap::elementwise : OnMap::pointwise};
  }
  // An Activation of "linear" leaves what comes in, so it may be probabilities.
  ActivationKind activation() const override {
    const ActivationKind kind = kind_of(config_.activation);
    return kind == ActivationKind::linear ? ActivationKind::unchanged : kind;
  }
};

class DropoutDescription final : public Described<DropoutConfig> {
 public:
  explicit DropoutDescription(DropoutConfig config) : Described(std::move(config)) {
    if (!(config_.rate >= 0 && config_.rate < 1)) throw ValueError(fmt::format("{} rate is {}; it must lie in [0, 1)", where(), config_.rate));
  }
  std::string_view class_name() const override { return "Dropout"; }
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    if (!to.training() || config_.rate == 0) return input;
    return plan::dropout(to, input, config_.rate, config_.options.seed.value_or(0));
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

class RescalingDescription final : public Described<RescalingConfig> {
 public:
  using Described::Described;
  std::string_view class_name() const override { return "Rescaling"; }
  bool waits_for_input() const override { return true; }
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return plan::rescale(to, input, config_.scale, config_.options.offset);
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::linear; }
};

}  // namespace

template <>
DescriptionPtr read_layer<Activation>(const io::Json& config, const std::string& where) {
  return std::make_shared<ActivationDescription>(read_config<ActivationConfig>(config, where));
}
template <>
DescriptionPtr read_layer<Dropout>(const io::Json& config, const std::string& where) {
  return std::make_shared<DropoutDescription>(read_config<DropoutConfig>(config, where));
}
template <>
DescriptionPtr read_layer<Rescaling>(const io::Json& config, const std::string& where) {
  return std::make_shared<RescalingDescription>(read_config<RescalingConfig>(config, where));
}

}  // namespace layers

Activation::Activation(ActivationName activation, ActivationOptions options)
    : Layer(std::make_shared<layers::ActivationDescription>(ActivationConfig{std::move(activation), std::move(options)})) {}
Dropout::Dropout(double rate, DropoutOptions options) : Layer(std::make_shared<layers::DropoutDescription>(DropoutConfig{rate, std::move(options)})) {}
Rescaling::Rescaling(double scale, RescalingOptions options)
    : Layer(std::make_shared<layers::RescalingDescription>(RescalingConfig{scale, std::move(options)})) {}

}  // namespace linn
