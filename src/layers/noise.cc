#include "linn/layers/noise.h"

#include "layers/described.h"
#include "layers/window.h"
#include "plan/ops/noise.h"

namespace linn {
namespace detail::layers {
namespace {

struct SpatialDropout2DConfig {
  double rate = 0;
  SpatialDropout2DOptions options = {};
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
  // The only layer of Keras that refuses "trainable".
  io::Json config(const std::string& name) const override {
    io::Json json = Described::config(name);
    json.erase("trainable");
    return json;
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
LINN_LAYER_ROW(GaussianNoise, GaussianNoiseDescription)

}  // namespace detail::layers

SpatialDropout2D::SpatialDropout2D(double rate, SpatialDropout2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::SpatialDropout2DDescription>({rate, std::move(options)})) {}
GaussianNoise::GaussianNoise(double stddev, GaussianNoiseOptions options)
    : Layer(detail::layers::make_layer<detail::layers::GaussianNoiseDescription>({stddev, std::move(options)})) {}

}  // namespace linn
