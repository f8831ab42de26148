#include "linn/layers/norm.h"

#include <fmt/format.h>

#include <cmath>

#include "layers/axes.h"
#include "layers/described.h"
#include "layers/permuted.h"
#include "layers/weight_fields.h"
#include "linn/error.h"
#include "plan/ops/norm.h"

namespace linn {
namespace detail::layers {
namespace {

struct BatchNormalizationConfig {
  BatchNormalizationOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::BatchNormalizationConfig> {
  using C = detail::layers::BatchNormalizationConfig;
  using O = BatchNormalizationOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "BatchNormalization", .help = "Brings each channel to mean 0 and variance 1, then scales and moves it."};
  static constexpr auto fields = all(nested(
      &C::options,  //
      axis("axis", &O::axis, "The axis of the channels; another than the last costs a copy before and after."),
      field("momentum", &O::momentum, between(0, 1), "Share of the old value that a moving average keeps at each step."),
      field("epsilon", &O::epsilon, at_least(0), "Added to the variance."), detail::layers::beta_gamma_fields<O>(),
      field("moving_mean_initializer", &O::moving_mean_initializer, "First values of the moving mean."),
      field("moving_variance_initializer", &O::moving_variance_initializer, "First values of the moving variance."),
      detail::layers::beta_gamma_bounds<O>(),
      detail::layers::common_fields<O>()));
  static constexpr Absent absent[] = {{"synchronized", "false"},
                                      {"renorm", "false"},
                                      {"renorm_clipping"},
                                      {"renorm_momentum", ""}};
  static constexpr Example examples[] = {{R"({"name": "n"})", "(4, 5, 3)"},
                                         {R"({"name": "n", "axis": 1, "epsilon": 1e-2, "center": false})", "(7)"},
                                         {R"({"name": "n", "momentum": 0.9, "scale": false})", "(2, 3, 2, 4)"},
                                         {R"({"name": "n", "center": false, "scale": false})", "(3, 2)"},
                                         {R"({"name": "n", "trainable": false, "axis": 3, "gamma_initializer": "zeros",
                                              "moving_variance_initializer": {"class_name": "Constant", "config": {"value": 2.0}}})",
                                          "(4, 5, 3)"},
                                         {R"({"name": "n", "axis": 1})", "(3, 4, 2)"}};
};

namespace detail::layers {
namespace {

class BatchNormalizationDescription final : public Described<BatchNormalizationConfig> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    if (input.empty() || input[-1] < 1)
      throw ShapeError(fmt::format("{} needs an input with channels on its last axis; {} came", where, input.to_string()));
    image_axis(config_.options.axis, input.rank(), where);
    return input;
  }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const BatchNormalizationOptions& o = config_.options;
    const Shape shape{input[static_cast<std::ptrdiff_t>(axis(input))]};
    std::vector<VariableSpec> specs;
    if (o.scale) specs.push_back({"gamma", shape, o.gamma_initializer, true, o.gamma_regularizer, o.gamma_constraint});
    if (o.center) specs.push_back({"beta", shape, o.beta_initializer, true, o.beta_regularizer, o.beta_constraint});
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
    const LastAxes last(to, input, {axis(input.shape)});
    if (to.training() && to.layer_trainable()) return last.undo(plan::batch_norm(to, last.value(), norm, o.epsilon, o.momentum));
    return last.undo(plan::frozen_norm(to, last.value(), norm, o.epsilon));
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    return axis(inputs[0]) + 1 == inputs[0].rank() ? OnMap{.kind = OnMap::pointwise} : OnMap{};
  }
  ActivationKind activation() const override { return ActivationKind::linear; }

 private:
  std::size_t axis(const Shape& input) const { return image_axis(config_.options.axis, input.rank(), where()); }
};

}  // namespace

LINN_LAYER_ROW(BatchNormalization, BatchNormalizationDescription)

}  // namespace detail::layers

BatchNormalization::BatchNormalization(BatchNormalizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::BatchNormalizationDescription>({std::move(options)})) {}

}  // namespace linn
