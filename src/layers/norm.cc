#include "linn/layers/norm.h"

#include <fmt/format.h>

#include <cmath>

#include "layers/config.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "plan/ops/norm.h"

namespace linn {
namespace layers {
namespace {

class BatchNormalizationDescription final : public Described<BatchNormalizationConfig> {
 public:
  explicit BatchNormalizationDescription(BatchNormalizationConfig config) : Described(std::move(config)) {
    const BatchNormalizationOptions& o = config_.options;
    if (!(o.momentum >= 0 && o.momentum <= 1))
      throw ValueError(fmt::format("{} momentum is {}; it must lie in [0, 1]", where(), o.momentum));
    if (!(o.epsilon >= 0) || !std::isfinite(o.epsilon))
      throw ValueError(fmt::format("{} epsilon is {}; it must be 0 or more", where(), o.epsilon));
  }

  std::string_view class_name() const override { return "BatchNormalization"; }
  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    if (input.empty() || input[-1] < 1)
      throw ShapeError(fmt::format("{} needs an input with channels on its last axis; {} came", where, input.to_string()));
    const std::int64_t axis = config_.options.axis;
    const auto last = static_cast<std::int64_t>(input.rank());  // the batch axis comes before
    if (axis != -1 && axis != last)
      throw ValueError(
          fmt::format("{} axis is {}; an input of {} axes, the batch axis included, is normalized over its last one: use axis -1 or {}",
                      where, axis, last + 1, last));
    return input;
  }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const BatchNormalizationOptions& o = config_.options;
    const Shape shape{input[-1]};
    std::vector<VariableSpec> specs;
    if (o.scale) specs.push_back({"gamma", shape, o.gamma_initializer});
    if (o.center) specs.push_back({"beta", shape, o.beta_initializer});
    specs.push_back({"moving_mean", shape, o.moving_mean_initializer, false});
    specs.push_back({"moving_variance", shape, o.moving_variance_initializer, false});
    return specs;
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const BatchNormalizationOptions& o = config_.options;
    auto next = variables.begin();
    plan::NormVariables norm;
    if (o.scale) norm.gamma = *next++;
    if (o.center) norm.beta = *next++;
    norm.moving_mean = *next++;
    norm.moving_variance = *next;
    if (to.training() && to.layer_trainable()) return plan::batch_norm(to, input, norm, o.epsilon, o.momentum);
    return plan::frozen_norm(to, input, norm, o.epsilon);
  }

  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::pointwise}; }
  ActivationKind activation() const override { return ActivationKind::linear; }
};

}  // namespace

template <>
DescriptionPtr read_layer<BatchNormalization>(const io::Json& config, const std::string& where) {
  return std::make_shared<BatchNormalizationDescription>(read_config<BatchNormalizationConfig>(config, where));
}

}  // namespace layers

BatchNormalization::BatchNormalization(BatchNormalizationOptions options)
    : Layer(std::make_shared<layers::BatchNormalizationDescription>(BatchNormalizationConfig{std::move(options)})) {}

}  // namespace linn
