#include "linn/layers/activation.h"

#include "layers/apply_activation.h"
#include "layers/dropout.h"
#include "layers/function_layer.h"
#include "plan/ops/eltwise.h"

namespace linn {
namespace detail::layers {

plan::Value apply_activation(plan::Lowering& to, plan::Value src, const ActivationFunction& activation) {
  return detail::description_of(activation)->lower(to, src);
}

Shape activated_shape(const Shape& shape, const ActivationFunction& activation, const std::string& where) {
  return detail::description_of(activation)->output_shape(shape, where);
}

ActivationKind kind_of(const ActivationFunction& activation) { return detail::description_of(activation)->kind(); }

OnMap on_map_of(const ActivationFunction& activation, std::size_t rank) { return detail::description_of(activation)->on_map(rank); }

OnMap followed_by(const ActivationFunction& activation, OnMap layer) {
  return on_map_of(activation, 3).kind == OnMap::opaque ? OnMap{} : layer;
}

namespace {

struct ActivationConfig {
  ActivationFunction activation = "linear";
  ActivationOptions options = {};
};

struct DropoutConfig {
  double rate = 0;
  DropoutOptions options = {};
};

struct RescalingConfig {
  double scale = 1;
  RescalingOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::ActivationConfig> {
  using C = detail::layers::ActivationConfig;
  using O = ActivationOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Activation", .help = "An activation function as a layer of its own."};
  static constexpr auto fields =
      all(required("activation", &C::activation, "The function."), nested(&C::options, detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "a", "activation": "leaky_relu"})", "(3, 4)"},
                                         {R"({"name": "a", "activation": "glu"})", "(3, 4)"},
                                         {R"({"name": "a", "activation": "softmax"})", "(6)"},
                                         {R"({"name": "a", "activation": "log_softmax"})", "(2, 6)"}};
};

template <>
struct detail::schema::Schema<detail::layers::DropoutConfig> {
  using C = detail::layers::DropoutConfig;
  using O = DropoutOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Dropout", .help = "Sets random values to zero while training."};
  static constexpr auto fields =
      all(required("rate", &C::rate, from_to_below(0, 1), "Share of the values that become zero."),
          nested(&C::options,
                 field("noise_shape", &O::noise_shape, "The shape of the mask, the batch axis first: 1 for an axis along which one number is shared."),
                 field("seed", &O::seed, "Seed of the mask, besides the model's."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "o", "rate": 0.4, "seed": 12})", "(5, 6)"},
                                         {R"({"name": "o", "rate": 0.0})", "(5)"},
                                         {R"({"name": "o", "rate": 0.5, "noise_shape": [null, 1, null, 3]})", "(4, 5, 3)"},
                                         {R"({"name": "o", "rate": 0.3, "noise_shape": [null, 5, 1]})", "(5, 6)"},
                                         {R"({"name": "o", "rate": 0.3, "noise_shape": [null, 1]})", "(6)"}};
};

template <>
struct detail::schema::Schema<detail::layers::RescalingConfig> {
  using C = detail::layers::RescalingConfig;
  using O = RescalingOptions;
  static constexpr Info info{.module = "keras.layers", .name = "Rescaling", .help = "x * scale + offset."};
  static constexpr auto fields =
      all(required("scale", &C::scale, "The factor."),
          nested(&C::options, field("offset", &O::offset, "Added afterwards."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "r", "scale": 0.5, "offset": 2.0})", "(4, 4, 1)"}};
};

namespace detail::layers {
namespace {

ActivationFunction function_of(const ActivationConfig& config) { return config.activation; }

class DropoutDescription final : public Described<DropoutConfig> {
 public:
  using Described::Described;
  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_noise_shape(config_.options.noise_shape, input, where);
    return input;
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    if (!to.training() || config_.rate == 0) return input;
    return dropped(to, input, config_.rate, config_.options.noise_shape, config_.options.seed.value_or(0));
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

class RescalingDescription final : public Described<RescalingConfig> {
 public:
  using Described::Described;
  bool waits_for_input() const override { return true; }
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    return plan::rescale(to, input, config_.scale, config_.options.offset);
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::linear; }
};

}  // namespace

LINN_LAYER_ROW(Activation, FunctionLayer<ActivationConfig>)
LINN_LAYER_ROW(Dropout, DropoutDescription)
LINN_LAYER_ROW(Rescaling, RescalingDescription)

}  // namespace detail::layers

Activation::Activation(ActivationFunction activation, ActivationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::FunctionLayer<detail::layers::ActivationConfig>>(
          {std::move(activation), std::move(options)})) {}
Dropout::Dropout(double rate, DropoutOptions options)
    : Layer(detail::layers::make_layer<detail::layers::DropoutDescription>({rate, std::move(options)})) {}
Rescaling::Rescaling(double scale, RescalingOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RescalingDescription>({scale, std::move(options)})) {}

}  // namespace linn
