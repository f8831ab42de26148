#include "linn/layers/general_pool.h"

#include <fmt/format.h>

#include "kernels/pool/general.h"
#include "layers/described.h"
#include "layers/window.h"
#include "plan/ops/general_pool.h"

namespace linn {
namespace detail::layers {
namespace {

using kernels::PoolFunction;
using GeneralProblem = kernels::GeneralPoolForward::Problem;
using Specs = std::vector<VariableSpec>;

// Each configuration says its function and its variables:
//   kind         what becomes of the values (traits.h)
//   function     of a problem whose geometry is set
//   variables    for a map
// A configuration without `pool_size` is of a global pooling.

struct LpConfig {
  Size2 pool_size = {2, 2};
  LpPooling2DOptions options = {};

  static constexpr ActivationKind kind = ActivationKind::other;
  void function(GeneralProblem& problem, bool /*training*/) const { problem.exponent = options.p; }
  Specs variables(const Shape& /*input*/) const { return {}; }
};

struct GlobalLpConfig {
  GlobalLpPooling2DOptions options = {};

  static constexpr ActivationKind kind = ActivationKind::other;
  void function(GeneralProblem& problem, bool /*training*/) const { problem.exponent = options.p; }
  Specs variables(const Shape& /*input*/) const { return {}; }
};

template <class Options>
void set_generalized_mean(GeneralProblem& problem, const Options& o) {
  problem.function = PoolFunction::generalized_mean, problem.least = o.epsilon, problem.per_channel = o.per_channel;
}
template <class Options>
Specs exponent_of(const Shape& input, const Options& o) {
  return {{"p", {o.per_channel ? input[2] : 1}, initializers::Constant{o.p}}};
}

struct GeneralizedMeanConfig {
  Size2 pool_size = {2, 2};
  GeneralizedMeanPooling2DOptions options = {};

  static constexpr ActivationKind kind = ActivationKind::other;
  void function(GeneralProblem& problem, bool /*training*/) const { set_generalized_mean(problem, options); }
  Specs variables(const Shape& input) const { return exponent_of(input, options); }
};

struct GlobalGeneralizedMeanConfig {
  GlobalGeneralizedMeanPooling2DOptions options = {};

  static constexpr ActivationKind kind = ActivationKind::other;
  void function(GeneralProblem& problem, bool /*training*/) const { set_generalized_mean(problem, options); }
  Specs variables(const Shape& input) const { return exponent_of(input, options); }
};

struct SoftConfig {
  Size2 pool_size = {2, 2};
  Pooling2DOptions options = {};

  static constexpr ActivationKind kind = ActivationKind::unchanged;
  void function(GeneralProblem& problem, bool /*training*/) const { problem.function = PoolFunction::soft; }
  Specs variables(const Shape& /*input*/) const { return {}; }
};

struct StochasticConfig {
  Size2 pool_size = {2, 2};
  StochasticPooling2DOptions options = {};

  static constexpr ActivationKind kind = ActivationKind::unchanged;
  void function(GeneralProblem& problem, bool training) const { problem.function = training ? PoolFunction::sampled : PoolFunction::expected; }
  Specs variables(const Shape& /*input*/) const { return {}; }
};

struct MixedConfig {
  Size2 pool_size = {2, 2};
  MixedPooling2DOptions options = {};

  static constexpr ActivationKind kind = ActivationKind::unchanged;
  void function(GeneralProblem& problem, bool /*training*/) const {
    problem.function = PoolFunction::mixed, problem.share = options.alpha, problem.per_channel = options.per_channel;
  }
  Specs variables(const Shape& input) const {
    if (!options.learned) return {};
    return {{"alpha", {options.per_channel ? input[2] : 1}, initializers::Constant{options.alpha}}};
  }
};

struct GatedConfig {
  Size2 pool_size = {2, 2};
  GatedPooling2DOptions options = {};

  static constexpr ActivationKind kind = ActivationKind::unchanged;
  void function(GeneralProblem& problem, bool /*training*/) const {
    problem.function = PoolFunction::gated, problem.per_channel = options.per_channel;
  }
  Specs variables(const Shape& input) const {
    return {{"gate", {pool_size.height, pool_size.width, options.per_channel ? input[2] : 1}, options.gate_initializer}};
  }
};

// ---- fields ----

template <class C>
constexpr auto general_size() {
  return schema::field("pool_size", &C::pool_size, schema::at_least(1), "Height and width of the window.");
}
/// Of options like Pooling2DOptions, behind what the layer has alone.
template <class O>
constexpr auto general_fields() {
  return schema::all(pool_fields<O>(), data_format_field<O>(), common_fields<O>());
}
template <class O>
constexpr auto global_fields() {
  return schema::all(data_format_field<O>(), schema::field("keepdims", &O::keepdims, "Whether the result is (1, 1, channels) instead of (channels)."),
                     common_fields<O>());
}
template <class O>
constexpr auto norm_field() {
  return schema::field("p", &O::p, schema::at_least(1), "Order of the norm.");
}
template <class O>
constexpr auto exponent_fields() {
  return schema::all(schema::field("p", &O::p, "First value of the exponent; not 0."),
                     schema::field("per_channel", &O::per_channel, "Whether each channel has an exponent of its own."),
                     schema::field("epsilon", &O::epsilon, schema::above(0), "Least value that counts; lower ones are raised to it."));
}

template <class O>
std::string exponent_fault(const O& o) {
  return o.p == 0 ? "p is 0; any other number is allowed" : std::string();
}

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::LpConfig> : detail::layers::PoolSchema<detail::layers::LpConfig> {
  using C = detail::layers::LpConfig;
  using O = LpPooling2DOptions;
  static constexpr Info info{.module = "linn.layers", .name = "LpPooling2D", .help = "The p-norm of each window."};
  static constexpr auto fields =
      all(detail::layers::general_size<C>(), nested(&C::options, detail::layers::norm_field<O>(), detail::layers::general_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "l"})", "(5, 6, 2)"},
      {R"({"name": "l", "pool_size": [3, 2], "p": 1.0, "strides": [1, 2], "padding": "same"})", "(5, 4, 3)"},
      {R"({"name": "l", "pool_size": [3, 3], "p": 3.0, "strides": [2, 2], "padding": [[1, 1], [1, 0]], "ceil_mode": true})", "(6, 7, 2)"},
      {R"({"name": "l", "pool_size": [2, 3], "p": 2.5, "strides": [1, 1], "padding": "replicate", "dilation_rate": [2, 1]})", "(5, 4, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::GlobalLpConfig> {
  using C = detail::layers::GlobalLpConfig;
  using O = GlobalLpPooling2DOptions;
  static constexpr Info info{.module = "linn.layers", .name = "GlobalLpPooling2D", .help = "The p-norm of each channel."};
  static constexpr auto fields = all(nested(&C::options, detail::layers::norm_field<O>(), detail::layers::global_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "l"})", "(4, 3, 3)"}, {R"({"name": "l", "p": 3.5, "keepdims": true})", "(3, 4, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::GeneralizedMeanConfig> : detail::layers::PoolSchema<detail::layers::GeneralizedMeanConfig> {
  using C = detail::layers::GeneralizedMeanConfig;
  using O = GeneralizedMeanPooling2DOptions;
  static constexpr Info info{
      .module = "linn.layers", .name = "GeneralizedMeanPooling2D", .help = "The generalized mean of each window, with a learned exponent (GeM)."};
  static constexpr auto fields =
      all(detail::layers::general_size<C>(), nested(&C::options, detail::layers::exponent_fields<O>(), detail::layers::general_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "g"})", "(5, 6, 2)"},
      {R"({"name": "g", "pool_size": [3, 2], "p": 1.5, "per_channel": true, "epsilon": 0.001, "strides": [2, 1], "padding": "same"})", "(5, 4, 3)"},
      {R"({"name": "g", "pool_size": [3, 3], "strides": [1, 1], "padding": "circular", "dilation_rate": [1, 2]})", "(4, 5, 2)"}};
  static std::string fault(const C& c) {
    const std::string wrong = detail::layers::exponent_fault(c.options);
    return wrong.empty() ? detail::layers::PoolSchema<C>::fault(c) : wrong;
  }
};

template <>
struct detail::schema::Schema<detail::layers::GlobalGeneralizedMeanConfig> {
  using C = detail::layers::GlobalGeneralizedMeanConfig;
  using O = GlobalGeneralizedMeanPooling2DOptions;
  static constexpr Info info{
      .module = "linn.layers", .name = "GlobalGeneralizedMeanPooling2D", .help = "The generalized mean of each channel, with a learned exponent (GeM)."};
  static constexpr auto fields = all(nested(&C::options, detail::layers::exponent_fields<O>(), detail::layers::global_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "g"})", "(4, 3, 3)"}, {R"({"name": "g", "p": 2.0, "per_channel": true, "keepdims": true})", "(3, 4, 2)"}};
  static std::string fault(const C& c) { return detail::layers::exponent_fault(c.options); }
};

template <>
struct detail::schema::Schema<detail::layers::SoftConfig> : detail::layers::PoolSchema<detail::layers::SoftConfig> {
  using C = detail::layers::SoftConfig;
  using O = Pooling2DOptions;
  static constexpr Info info{.module = "linn.layers", .name = "SoftPooling2D", .help = "The mean of each window weighted by softmax."};
  static constexpr auto fields = all(detail::layers::general_size<C>(), nested(&C::options, detail::layers::general_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "s"})", "(5, 6, 2)"},
      {R"({"name": "s", "pool_size": [3, 2], "strides": [2, 1], "padding": "same"})", "(5, 4, 3)"},
      {R"({"name": "s", "pool_size": [3, 3], "strides": [2, 2], "padding": {"pads": [[1, 2], [0, 1]], "border": "reflect"}, "ceil_mode": true})",
       "(5, 6, 2)"}};
};

template <>
struct detail::schema::Schema<detail::layers::StochasticConfig> : detail::layers::PoolSchema<detail::layers::StochasticConfig> {
  using C = detail::layers::StochasticConfig;
  using O = StochasticPooling2DOptions;
  static constexpr Info info{.module = "linn.layers",
                             .name = "StochasticPooling2D",
                             .help = "A cell of each window drawn in proportion to its value while training, else their expected value."};
  static constexpr auto fields = all(
      detail::layers::general_size<C>(), nested(&C::options, detail::layers::pool_fields<O>(), detail::layers::data_format_field<O>(),
                                                field("seed", &O::seed, "Seed of the draws, besides the model's."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "s", "seed": 12})", "(5, 6, 2)"},
                                         {R"({"name": "s", "pool_size": [3, 2], "strides": [2, 1], "padding": "same"})", "(5, 4, 3)"}};
};

template <>
struct detail::schema::Schema<detail::layers::MixedConfig> : detail::layers::PoolSchema<detail::layers::MixedConfig> {
  using C = detail::layers::MixedConfig;
  using O = MixedPooling2DOptions;
  static constexpr Info info{.module = "linn.layers", .name = "MixedPooling2D", .help = "A fixed or learned mixture of each window's maximum and mean."};
  static constexpr auto fields =
      all(detail::layers::general_size<C>(),
          nested(&C::options, field("alpha", &O::alpha, between(0, 1), "Share of the maximum; of a learned one the first value."),
                 field("learned", &O::learned, "Whether the share is learned."),
                 field("per_channel", &O::per_channel, "Whether each channel has a learned share of its own."), detail::layers::general_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "m", "alpha": 0.3})", "(5, 6, 2)"},
      {R"({"name": "m", "pool_size": [3, 2], "learned": true, "strides": [2, 1], "padding": "same"})", "(5, 4, 3)"},
      {R"({"name": "m", "pool_size": [2, 3], "learned": true, "per_channel": true, "strides": [1, 2], "ceil_mode": true})", "(4, 6, 3)"}};
  static std::string fault(const C& c) {
    if (c.options.per_channel && !c.options.learned) return "per_channel is true and learned is false; a fixed alpha is the same for all channels";
    return detail::layers::PoolSchema<C>::fault(c);
  }
};

template <>
struct detail::schema::Schema<detail::layers::GatedConfig> : detail::layers::PoolSchema<detail::layers::GatedConfig> {
  using C = detail::layers::GatedConfig;
  using O = GatedPooling2DOptions;
  static constexpr Info info{
      .module = "linn.layers", .name = "GatedPooling2D", .help = "A mixture of each window's maximum and mean, whose share the window decides."};
  static constexpr auto fields =
      all(detail::layers::general_size<C>(),
          nested(&C::options, field("per_channel", &O::per_channel, "Whether each channel has a gate of its own."),
                 field("gate_initializer", &O::gate_initializer, "First values of the gate."), detail::layers::general_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "g"})", "(5, 6, 2)"},
      {R"({"name": "g", "pool_size": [3, 2], "per_channel": true, "gate_initializer": "he_normal", "strides": [2, 1], "padding": "same"})",
       "(5, 4, 3)"}};
};

namespace detail::layers {
namespace {

template <class Config>
plan::Value lower_general(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables, const Config& config,
                          const kernels::Geometry& geometry, bool whole_map) {
  GeneralProblem problem{.geometry = geometry, .whole_map = whole_map};
  config.function(problem, to.training());
  std::uint64_t seed = 0;
  if constexpr (requires { config.options.seed; }) seed = config.options.seed.value_or(0);
  return plan::general_pool2d(to, input, variables.empty() ? plan::Value{} : variables[0], problem, seed);
}

template <class Config>
class GeneralPoolDescription final : public Described<Config> {
 public:
  using Described<Config>::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const kernels::Geometry g = window(input, where).geometry;
    return {g.out_height, g.out_width, g.out_channels};
  }
  Specs variables(const Shape& input) const override { return this->config_.variables(input); }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const ResolvedWindow resolved = window(input.shape, this->where());
    return lower_general(to, resolved.padded(to, input), variables, this->config_, resolved.geometry, false);
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    return window_on_map(window(inputs[0], this->where()), OnMap::general, border_text(this->config_.options.padding));
  }
  ActivationKind activation() const override { return Config::kind; }

 private:
  ResolvedWindow window(const Shape& input, const std::string& where) const {
    check_map(input, where);
    const auto& o = this->config_.options;
    return resolve_window({"pool_size", this->config_.pool_size, o.strides, o.dilation_rate, o.padding, o.ceil_mode}, input, input[2], 1, where);
  }
};

template <class Config>
class GlobalGeneralPoolDescription final : public Described<Config> {
 public:
  using Described<Config>::Described;

  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    return this->config_.options.keepdims ? Shape{1, 1, input[2]} : Shape{input[2]};
  }
  Specs variables(const Shape& input) const override { return this->config_.variables(input); }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const kernels::Geometry g = kernels::resolve_global(input.shape[0], input.shape[1], input.shape[2]);
    plan::Value pooled = lower_general(to, input, variables, this->config_, g, true);
    pooled.shape = output_shape(input.shape, this->where());
    return pooled;
  }

  OnMap on_map(std::span<const Shape> /*inputs*/) const override { return {.kind = OnMap::global, .reduction = OnMap::general}; }
  ActivationKind activation() const override { return Config::kind; }
};

}  // namespace

LINN_LAYER_ROW(LpPooling2D, GeneralPoolDescription<LpConfig>)
LINN_LAYER_ROW(GlobalLpPooling2D, GlobalGeneralPoolDescription<GlobalLpConfig>)
LINN_LAYER_ROW(GeneralizedMeanPooling2D, GeneralPoolDescription<GeneralizedMeanConfig>)
LINN_LAYER_ROW(GlobalGeneralizedMeanPooling2D, GlobalGeneralPoolDescription<GlobalGeneralizedMeanConfig>)
LINN_LAYER_ROW(SoftPooling2D, GeneralPoolDescription<SoftConfig>)
LINN_LAYER_ROW(StochasticPooling2D, GeneralPoolDescription<StochasticConfig>)
LINN_LAYER_ROW(MixedPooling2D, GeneralPoolDescription<MixedConfig>)
LINN_LAYER_ROW(GatedPooling2D, GeneralPoolDescription<GatedConfig>)

}  // namespace detail::layers

using detail::layers::make_layer;

LpPooling2D::LpPooling2D(Size2 pool_size, LpPooling2DOptions options)
    : Layer(make_layer<detail::layers::GeneralPoolDescription<detail::layers::LpConfig>>({pool_size, std::move(options)})) {}
GlobalLpPooling2D::GlobalLpPooling2D(GlobalLpPooling2DOptions options)
    : Layer(make_layer<detail::layers::GlobalGeneralPoolDescription<detail::layers::GlobalLpConfig>>({std::move(options)})) {}
GeneralizedMeanPooling2D::GeneralizedMeanPooling2D(Size2 pool_size, GeneralizedMeanPooling2DOptions options)
    : Layer(make_layer<detail::layers::GeneralPoolDescription<detail::layers::GeneralizedMeanConfig>>({pool_size, std::move(options)})) {}
GlobalGeneralizedMeanPooling2D::GlobalGeneralizedMeanPooling2D(GlobalGeneralizedMeanPooling2DOptions options)
    : Layer(make_layer<detail::layers::GlobalGeneralPoolDescription<detail::layers::GlobalGeneralizedMeanConfig>>({std::move(options)})) {}
SoftPooling2D::SoftPooling2D(Size2 pool_size, Pooling2DOptions options)
    : Layer(make_layer<detail::layers::GeneralPoolDescription<detail::layers::SoftConfig>>({pool_size, std::move(options)})) {}
StochasticPooling2D::StochasticPooling2D(Size2 pool_size, StochasticPooling2DOptions options)
    : Layer(make_layer<detail::layers::GeneralPoolDescription<detail::layers::StochasticConfig>>({pool_size, std::move(options)})) {}
MixedPooling2D::MixedPooling2D(Size2 pool_size, MixedPooling2DOptions options)
    : Layer(make_layer<detail::layers::GeneralPoolDescription<detail::layers::MixedConfig>>({pool_size, std::move(options)})) {}
GatedPooling2D::GatedPooling2D(Size2 pool_size, GatedPooling2DOptions options)
    : Layer(make_layer<detail::layers::GeneralPoolDescription<detail::layers::GatedConfig>>({pool_size, std::move(options)})) {}

}  // namespace linn
