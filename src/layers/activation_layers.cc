#include "linn/layers/activation_layers.h"

#include <fmt/format.h>

#include <algorithm>

#include "layers/axes.h"
#include "layers/function_layer.h"
#include "linn/error.h"
#include "plan/ops/prelu.h"

namespace linn {
namespace detail::layers {
namespace {

struct ReLUConfig {
  ReLUOptions options = {};
};
struct LeakyReLUConfig {
  LeakyReLUOptions options = {};
};
struct ELUConfig {
  ELUOptions options = {};
};
struct PReLUConfig {
  PReLUOptions options = {};
};
struct SoftmaxConfig {
  SoftmaxOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::ReLUConfig> {
  using C = detail::layers::ReLUConfig;
  using O = ReLUOptions;
  static constexpr Info info{.module = "keras.layers", .name = "ReLU", .help = "A rectifier with a limit, a slope and a threshold."};
  static constexpr auto fields =
      all(nested(&C::options, field("max_value", &O::max_value, at_least(0), "The largest value; none: no limit."),
                 field("negative_slope", &O::negative_slope, at_least(0), "Slope below the threshold."),
                 field("threshold", &O::threshold, at_least(0), "Values up to it are not passed on."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "r"})", "(3, 4)"},
                                         {R"({"name": "r", "max_value": 6.0})", "(3, 4)"},
                                         {R"({"name": "r", "max_value": 1.5, "negative_slope": 0.25, "threshold": 0.5})", "(3, 4)"}};
};

template <>
struct detail::schema::Schema<detail::layers::LeakyReLUConfig> {
  using C = detail::layers::LeakyReLUConfig;
  using O = LeakyReLUOptions;
  static constexpr Info info{.module = "keras.layers", .name = "LeakyReLU", .help = "A rectifier that lets a share of negative values pass."};
  static constexpr auto fields =
      all(nested(&C::options, field("negative_slope", &O::negative_slope, at_least(0), "Slope below 0.").called_before("alpha"),
                 detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "l", "negative_slope": 0.1})", "(3, 4)"}};
};

template <>
struct detail::schema::Schema<detail::layers::ELUConfig> {
  using C = detail::layers::ELUConfig;
  using O = ELUOptions;
  static constexpr Info info{.module = "keras.layers", .name = "ELU", .help = "x above 0, alpha * (exp(x) - 1) below."};
  static constexpr auto fields =
      all(nested(&C::options, field("alpha", &O::alpha, at_least(0), "The limit of large negative values, negated."),
                 detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "e", "alpha": 0.5})", "(3, 4)"}};
};

template <>
struct detail::schema::Schema<detail::layers::PReLUConfig> {
  using C = detail::layers::PReLUConfig;
  using O = PReLUOptions;
  static constexpr Info info{.module = "keras.layers", .name = "PReLU", .help = "A rectifier whose slope below 0 is learned."};
  static constexpr auto fields = all(nested(&C::options, field("alpha_initializer", &O::alpha_initializer, "First values of alpha."),
                                            field("alpha_regularizer", &O::alpha_regularizer, "Added to the loss for the size of alpha."),
                                            field("alpha_constraint", &O::alpha_constraint, "Done to alpha after each step."),
                                            field("shared_axes", &O::shared_axes, "Axes along which one slope is shared."),
                                            detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "p"})", "(3, 4)"}, {R"({"name": "p", "shared_axes": [1, 2]})", "(3, 4, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::SoftmaxConfig> {
  using C = detail::layers::SoftmaxConfig;
  using O = SoftmaxOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Softmax", .help = "exp(x) divided by its sum over an axis."};
  static constexpr auto fields =
      all(nested(&C::options, field("axis", &O::axis, "The axes over which values sum to 1."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "s"})", "(3, 4)"}, {R"({"name": "s", "axis": [1, 3]})", "(3, 2, 4)"}};
  static std::string fault(const C& c) { return c.options.axis.empty() ? "axis names no axis" : ""; }
};

namespace detail::layers {
namespace {

ActivationFunction function_of(const ReLUConfig& config) {
  const ReLUOptions& o = config.options;
  return activations::relu({.negative_slope = o.negative_slope, .max_value = o.max_value, .threshold = o.threshold});
}
ActivationFunction function_of(const LeakyReLUConfig& config) { return activations::leaky_relu({.negative_slope = config.options.negative_slope}); }
ActivationFunction function_of(const ELUConfig& config) { return activations::elu({.alpha = config.options.alpha}); }
ActivationFunction function_of(const SoftmaxConfig& config) { return activations::softmax({.axis = config.options.axis}); }

class PReLUDescription final : public Described<PReLUConfig> {
 public:
  using Described::Described;
  Shape output_shape(const Shape& input, const std::string& where) const override {
    slopes(input, where);
    return input;
  }
  std::vector<VariableSpec> variables(const Shape& input) const override {
    return {{"alpha", slopes(input, where()), config_.options.alpha_initializer, true, config_.options.alpha_regularizer, config_.options.alpha_constraint}};
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    return plan::prelu(to, input, variables[0]);
  }
  /// The same function for all cells where the slopes are shared over the map.
  OnMap on_map(std::span<const Shape> inputs) const override {
    const Shape shape = slopes(inputs[0], where());
    const bool shared = shape.rank() == 3 && shape[0] == 1 && shape[1] == 1;
    return shared ? OnMap{.kind = OnMap::pointwise} : OnMap{};
  }

 private:
  Shape slopes(const Shape& input, const std::string& where) const {
    std::vector<std::int64_t> sizes(input.begin(), input.end());
    for (const std::int64_t axis : config_.options.shared_axes.list()) sizes[image_axis(axis, input.rank(), where)] = 1;
    return Shape(std::span<const std::int64_t>(sizes));
  }
};

}  // namespace

LINN_LAYER_ROW(ReLU, FunctionLayer<ReLUConfig>)
LINN_LAYER_ROW(LeakyReLU, FunctionLayer<LeakyReLUConfig>)
LINN_LAYER_ROW(ELU, FunctionLayer<ELUConfig>)
LINN_LAYER_ROW(PReLU, PReLUDescription)
LINN_LAYER_ROW(Softmax, FunctionLayer<SoftmaxConfig>)

}  // namespace detail::layers

ReLU::ReLU(ReLUOptions options)
    : Layer(detail::layers::make_layer<detail::layers::FunctionLayer<detail::layers::ReLUConfig>>({std::move(options)})) {}
LeakyReLU::LeakyReLU(LeakyReLUOptions options)
    : Layer(detail::layers::make_layer<detail::layers::FunctionLayer<detail::layers::LeakyReLUConfig>>({std::move(options)})) {}
ELU::ELU(ELUOptions options)
    : Layer(detail::layers::make_layer<detail::layers::FunctionLayer<detail::layers::ELUConfig>>({std::move(options)})) {}
PReLU::PReLU(PReLUOptions options) : Layer(detail::layers::make_layer<detail::layers::PReLUDescription>({std::move(options)})) {}
Softmax::Softmax(SoftmaxOptions options)
    : Layer(detail::layers::make_layer<detail::layers::FunctionLayer<detail::layers::SoftmaxConfig>>({std::move(options)})) {}

}  // namespace linn
