#include "linn/layers/noise.h"

#include <cmath>

#include "layers/described.h"
#include "layers/dropout.h"
#include "layers/one_row.h"
#include "layers/window.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/noise.h"

namespace linn {
namespace detail::layers {
namespace {

struct SpatialDropout2DConfig {
  double rate = 0;
  SpatialDropout2DOptions options = {};
};
struct GaussianDropoutConfig {
  double rate = 0;
  GaussianDropoutOptions options = {};
};
struct AlphaDropoutConfig {
  double rate = 0;
  AlphaDropoutOptions options = {};
};
struct GaussianNoiseConfig {
  double stddev = 0;
  GaussianNoiseOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::SpatialDropout2DConfig> {
  using C = detail::layers::SpatialDropout2DConfig;
  using O = SpatialDropout2DOptions;
  static constexpr Info info{.module = "keras.layers", .name = "SpatialDropout2D", .help = "Sets random channels to zero while training."};
  static constexpr auto fields =
      all(required("rate", &C::rate, from_to_below(0, 1), "Share of the channels that become zero."),
          nested(&C::options, detail::layers::data_format_field<O>(), field("seed", &O::seed, "Seed of the mask, besides the model's."),
                 detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "o", "rate": 0.4, "seed": 12})", "(3, 2, 5)"}, {R"({"name": "o", "rate": 0.0})", "(3, 2, 5)"}};
};

template <>
struct detail::schema::Schema<detail::layers::GaussianDropoutConfig> {
  using C = detail::layers::GaussianDropoutConfig;
  using O = GaussianDropoutOptions;
  static constexpr Info info{.module = "keras.layers", .name = "GaussianDropout", .help = "Multiplies by normal noise of mean 1 while training."};
  static constexpr auto fields =
      all(required("rate", &C::rate, from_to_below(0, 1), "The noise has the standard deviation sqrt(rate / (1 - rate))."),
          nested(&C::options, field("seed", &O::seed, "Seed of the noise, besides the model's."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "g", "rate": 0.3, "seed": 12})", "(3, 5)"}, {R"({"name": "g", "rate": 0.0})", "(5)"}};
};

template <>
struct detail::schema::Schema<detail::layers::AlphaDropoutConfig> {
  using C = detail::layers::AlphaDropoutConfig;
  using O = AlphaDropoutOptions;
  static constexpr Info info{.module = "keras.layers", .name = "AlphaDropout", .help = "Dropout for selu: mean and variance stay."};
  static constexpr auto fields =
      all(required("rate", &C::rate, from_to_below(0, 1), "Share of the values that become selu's lower limit."),
          nested(&C::options,
                 field("noise_shape", &O::noise_shape, "The shape of the mask, the batch axis first: 1 for an axis along which one number is shared."),
                 field("seed", &O::seed, "Seed of the mask, besides the model's."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "a", "rate": 0.4, "seed": 12})", "(3, 5)"},
                                         {R"({"name": "a", "rate": 0.25, "noise_shape": [null, 1, 5]})", "(3, 5)"},
                                         {R"({"name": "a", "rate": 0.0})", "(5)"}};
};

template <>
struct detail::schema::Schema<detail::layers::GaussianNoiseConfig> {
  using C = detail::layers::GaussianNoiseConfig;
  using O = GaussianNoiseOptions;
  static constexpr Info info{.module = "keras.layers", .name = "GaussianNoise", .help = "Adds normal noise while training."};
  static constexpr auto fields =
      all(required("stddev", &C::stddev, between(0, 1), "Standard deviation of the noise."),
          nested(&C::options, field("seed", &O::seed, "Seed of the noise, besides the model's."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "g", "stddev": 0.5, "seed": 12})", "(3, 4)"}, {R"({"name": "g", "stddev": 0.0})", "(5)"}};
};

namespace detail::layers {

template <>
struct OneRowForm<SpatialDropout2DConfig> {
  static constexpr std::string_view without[] = {"data_format"};
  static constexpr const char* help = "Sets random channels to zero over all steps while training.";
  static constexpr schema::Example examples[] = {{R"({"name": "o", "rate": 0.4, "seed": 12})", "(4, 5)"}, {R"({"name": "o", "rate": 0.0})", "(3, 1)"}};
};

namespace {

class SpatialDropout2DDescription final : public Described<SpatialDropout2DConfig> {
 public:
  using Described::Described;
  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return input;
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    if (!to.training() || config_.rate == 0) return input;
    return plan::spatial_dropout(to, input, config_.rate, config_.options.seed.value_or(0));
  }
  // Keras's SpatialDropout layers alone refuse "trainable".
  io::Json config(const std::string& name) const override {
    io::Json json = Described::config(name);
    json.erase("trainable");
    return json;
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

class GaussianDropoutDescription final : public Described<GaussianDropoutConfig> {
 public:
  using Described::Described;
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    if (!to.training() || config_.rate == 0) return input;
    return plan::gaussian_dropout(to, input, std::sqrt(config_.rate / (1 - config_.rate)), config_.options.seed.value_or(0));
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

class AlphaDropoutDescription final : public Described<AlphaDropoutConfig> {
 public:
  using Described::Described;
  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_noise_shape(config_.options.noise_shape, input, where);
    return input;
  }
  // With m = 1 where a value stays, l selu's lower limit and D(x) = m * x / (1 - rate) the dropout:
  //   a * (m * x + (1 - m) * l) + b = a * (1 - rate) * D(x - l) + a * l + b
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const double rate = config_.rate;
    if (!to.training() || rate == 0) return input;
    constexpr double limit = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946;
    const double a = 1 / std::sqrt((1 - rate) * (1 + rate * limit * limit)), b = -a * limit * rate;
    const plan::Value masked = dropped(to, plan::rescale(to, input, 1, -limit), rate, config_.options.noise_shape, config_.options.seed.value_or(0));
    return plan::rescale(to, masked, a * (1 - rate), a * limit + b);
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

class GaussianNoiseDescription final : public Described<GaussianNoiseConfig> {
 public:
  using Described::Described;
  Shape output_shape(const Shape& input, const std::string& /*where*/) const override { return input; }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    if (!to.training() || config_.stddev == 0) return input;
    return plan::gaussian_noise(to, input, config_.stddev, config_.options.seed.value_or(0));
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::elementwise}; }
  ActivationKind activation() const override { return ActivationKind::unchanged; }
};

}  // namespace

LINN_LAYER_ROW(SpatialDropout2D, SpatialDropout2DDescription)
LINN_LAYER_ROW(SpatialDropout1D, OneRow<SpatialDropout2DDescription>)
LINN_LAYER_ROW(GaussianDropout, GaussianDropoutDescription)
LINN_LAYER_ROW(AlphaDropout, AlphaDropoutDescription)
LINN_LAYER_ROW(GaussianNoise, GaussianNoiseDescription)

}  // namespace detail::layers

SpatialDropout2D::SpatialDropout2D(double rate, SpatialDropout2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::SpatialDropout2DDescription>({rate, std::move(options)})) {}
SpatialDropout1D::SpatialDropout1D(double rate, SpatialDropout1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::SpatialDropout2DDescription>>({{rate, std::move(options)}})) {}
GaussianDropout::GaussianDropout(double rate, GaussianDropoutOptions options)
    : Layer(detail::layers::make_layer<detail::layers::GaussianDropoutDescription>({rate, std::move(options)})) {}
AlphaDropout::AlphaDropout(double rate, AlphaDropoutOptions options)
    : Layer(detail::layers::make_layer<detail::layers::AlphaDropoutDescription>({rate, std::move(options)})) {}
GaussianNoise::GaussianNoise(double stddev, GaussianNoiseOptions options)
    : Layer(detail::layers::make_layer<detail::layers::GaussianNoiseDescription>({stddev, std::move(options)})) {}

}  // namespace linn
