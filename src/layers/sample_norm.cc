#include "linn/layers/sample_norm.h"

#include <fmt/format.h>

#include "layers/axes.h"
#include "layers/described.h"
#include "layers/permuted.h"
#include "layers/weight_fields.h"
#include "linn/error.h"
#include "plan/ops/group_norm.h"

namespace linn {
namespace detail::layers {
namespace {

struct LayerNormalizationConfig {
  LayerNormalizationOptions options = {};
};
struct RMSNormalizationConfig {
  RMSNormalizationOptions options = {};
};
struct UnitNormalizationConfig {
  UnitNormalizationOptions options = {};
};
struct GroupNormalizationConfig {
  GroupNormalizationOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::LayerNormalizationConfig> {
  using C = detail::layers::LayerNormalizationConfig;
  using O = LayerNormalizationOptions;
  static constexpr Info info{.module = "keras.layers", .name = "LayerNormalization", .help = "Brings each row to mean 0 and variance 1."};
  static constexpr auto fields = all(nested(
      &C::options,  //
      field("axis", &O::axis, "The axes over which mean and variance are taken."),
      field("epsilon", &O::epsilon, at_least(0), "Added to the variance."), detail::layers::beta_gamma_fields<O>(),
      detail::layers::beta_gamma_bounds<O>(), detail::layers::common_fields<O>()));
  static constexpr Absent absent[] = {{"rms_scaling", "false"}};
  static constexpr Example examples[] = {{R"({"name": "n"})", "(3, 4, 5)"},
                                         {R"({"name": "n", "axis": [1, 2, 3]})", "(2, 3, 4)"},
                                         {R"({"name": "n", "axis": 1, "center": false, "epsilon": 0.01})", "(4, 3, 2)"}};
  static std::string fault(const C& c) { return c.options.axis.empty() ? "axis names no axis" : ""; }
};

template <>
struct detail::schema::Schema<detail::layers::RMSNormalizationConfig> {
  using C = detail::layers::RMSNormalizationConfig;
  using O = RMSNormalizationOptions;
  static constexpr Info info{.module = "keras.layers", .name = "RMSNormalization", .help = "Brings the mean of each row's squares to 1."};
  static constexpr auto fields =
      all(nested(&C::options, field("axis", &O::axis, "The axes over which the mean is taken."),
                 field("epsilon", &O::epsilon, above(0), "Added to the mean of the squares."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "n"})", "(3, 4, 5)"},
                                         {R"({"name": "n", "axis": [1, 2], "epsilon": 0.01})", "(4, 3, 2)"},
                                         {R"({"name": "n"})", "(17)"}};
  static std::string fault(const C& c) { return c.options.axis.empty() ? "axis names no axis" : ""; }
};

template <>
struct detail::schema::Schema<detail::layers::UnitNormalizationConfig> {
  using C = detail::layers::UnitNormalizationConfig;
  using O = UnitNormalizationOptions;
  static constexpr Info info{.module = "keras.layers", .name = "UnitNormalization", .help = "Brings each row to length 1."};
  static constexpr auto fields =
      all(nested(&C::options, field("axis", &O::axis, "The axes over which the length is taken."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "n"})", "(3, 4, 5)"}, {R"({"name": "n", "axis": [1, 2, 3]})", "(2, 3, 2)"},
                                         {R"({"name": "n", "axis": 1})", "(4, 3)"}};
  static std::string fault(const C& c) { return c.options.axis.empty() ? "axis names no axis" : ""; }
};

template <>
struct detail::schema::Schema<detail::layers::GroupNormalizationConfig> {
  using C = detail::layers::GroupNormalizationConfig;
  using O = GroupNormalizationOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "GroupNormalization", .help = "Brings groups of channels of an image to mean 0 and variance 1."};
  static constexpr auto fields = all(nested(
      &C::options,  //
      field("groups", &O::groups, at_least(-1), "Groups of channels; -1: as many as channels."),
      axis("axis", &O::axis, "The axis of the channels."), field("epsilon", &O::epsilon, at_least(0), "Added to the variance."),
      detail::layers::beta_gamma_fields<O>(),
      detail::layers::beta_gamma_bounds<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {{R"({"name": "n", "groups": 2})", "(3, 4, 6)"},
                                         {R"({"name": "n", "groups": -1})", "(3, 4, 3)"},
                                         {R"({"name": "n", "groups": 2, "axis": 1, "scale": false})", "(4, 3, 5)"}};
  static std::string fault(const C& c) {
    return c.options.groups == 0 ? "groups is 0; it must be 1 or more, or -1 for as many groups as channels" : "";
  }
};

namespace detail::layers {
namespace {

/// gamma and beta of a shape, as far as the options ask for them.
template <class Options>
std::vector<VariableSpec> scale_and_center(const Options& o, const Shape& shape) {
  std::vector<VariableSpec> specs;
  if (o.scale) specs.push_back({"gamma", shape, o.gamma_initializer, true, o.gamma_regularizer, o.gamma_constraint});
  if (o.center) specs.push_back({"beta", shape, o.beta_initializer, true, o.beta_regularizer, o.beta_constraint});
  return specs;
}

struct GammaBeta {
  plan::Value gamma, beta;
};
template <class Options>
GammaBeta gamma_and_beta(const Options& o, const std::vector<plan::Value>& variables) {
  auto next = variables.begin();
  GammaBeta result;
  if (o.scale) result.gamma = *next++;
  if (o.center) result.beta = *next;
  return result;
}

class LayerNormalizationDescription final : public Described<LayerNormalizationConfig> {
 public:
  using Described::Described;
  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    image_axes(config_.options.axis, input.rank(), where);
    return input;
  }
  std::vector<VariableSpec> variables(const Shape& input) const override {
    std::vector<std::int64_t> sizes;
    for (const std::size_t axis : axes(input)) sizes.push_back(input[static_cast<std::ptrdiff_t>(axis)]);
    return scale_and_center(config_.options, Shape(std::span<const std::int64_t>(sizes)));
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const auto [gamma, beta] = gamma_and_beta(config_.options, variables);
    const LastAxes last(to, input, axes(input.shape));
    return last.undo(plan::layer_norm(to, last.value(), gamma, beta, config_.options.epsilon));
  }
  OnMap on_map(std::span<const Shape> inputs) const override {
    const std::vector<std::size_t> over = axes(inputs[0]);
    const bool channels = over.size() == 1 && over[0] + 1 == inputs[0].rank();
    return channels ? OnMap{.kind = OnMap::pointwise} : OnMap{};
  }

 private:
  std::vector<std::size_t> axes(const Shape& input) const { return image_axes(config_.options.axis, input.rank(), where()); }
};

/// What RMSNormalization and UnitNormalization share: each place by itself, over the axes.
template <class Config>
class OverAxes : public Described<Config> {
 public:
  using Described<Config>::Described;
  Shape output_shape(const Shape& input, const std::string& where) const override {
    image_axes(this->config_.options.axis, input.rank(), where);
    return input;
  }
  OnMap on_map(std::span<const Shape> inputs) const override {
    const std::vector<std::size_t> over = axes(inputs[0]);
    return inputs[0].rank() == 3 && over == std::vector<std::size_t>{2} ? OnMap{.kind = OnMap::pointwise} : OnMap{};
  }

 protected:
  std::vector<std::size_t> axes(const Shape& input) const { return image_axes(this->config_.options.axis, input.rank(), this->where()); }
};

class RMSNormalizationDescription final : public OverAxes<RMSNormalizationConfig> {
 public:
  using OverAxes::OverAxes;
  bool waits_for_input() const override { return true; }
  std::vector<VariableSpec> variables(const Shape& input) const override {
    std::vector<std::int64_t> sizes;
    for (const std::size_t axis : axes(input)) sizes.push_back(input[static_cast<std::ptrdiff_t>(axis)]);
    return {{"scale", Shape(std::span<const std::int64_t>(sizes)), "ones"}};
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const LastAxes last(to, input, axes(input.shape));
    return last.undo(plan::rms_norm(to, last.value(), variables[0], config_.options.epsilon));
  }
};

class UnitNormalizationDescription final : public OverAxes<UnitNormalizationConfig> {
 public:
  using OverAxes::OverAxes;
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    const LastAxes last(to, input, axes(input.shape));
    return last.undo(plan::unit_norm(to, last.value(), 1e-12));
  }
};

class GroupNormalizationDescription final : public Described<GroupNormalizationConfig> {
 public:
  using Described::Described;
  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const std::int64_t channels = input[axis(input, where)], groups = config_.options.groups;
    if (groups != -1 && channels % groups != 0)
      throw ShapeError(fmt::format("{} groups is {}, which does not divide the {} channels of {}", where, groups, channels, input.to_string()));
    return input;
  }
  std::vector<VariableSpec> variables(const Shape& input) const override {
    return scale_and_center(config_.options, {input[axis(input, where())]});
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const auto [gamma, beta] = gamma_and_beta(config_.options, variables);
    const std::ptrdiff_t channels = axis(input.shape, where());
    const LastAxes last(to, input, {static_cast<std::size_t>(channels)});
    const std::int64_t groups = config_.options.groups == -1 ? input.shape[channels] : config_.options.groups;
    return last.undo(plan::group_norm(to, last.value(), gamma, beta, groups, config_.options.epsilon));
  }

 private:
  std::ptrdiff_t axis(const Shape& input, const std::string& where) const {
    return static_cast<std::ptrdiff_t>(image_axis(config_.options.axis, input.rank(), where));
  }
};

}  // namespace

LINN_LAYER_ROW(LayerNormalization, LayerNormalizationDescription)
LINN_LAYER_ROW(RMSNormalization, RMSNormalizationDescription)
LINN_LAYER_ROW(UnitNormalization, UnitNormalizationDescription)
LINN_LAYER_ROW(GroupNormalization, GroupNormalizationDescription)

}  // namespace detail::layers

LayerNormalization::LayerNormalization(LayerNormalizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::LayerNormalizationDescription>({std::move(options)})) {}
RMSNormalization::RMSNormalization(RMSNormalizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::RMSNormalizationDescription>({std::move(options)})) {}
UnitNormalization::UnitNormalization(UnitNormalizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::UnitNormalizationDescription>({std::move(options)})) {}
GroupNormalization::GroupNormalization(GroupNormalizationOptions options)
    : Layer(detail::layers::make_layer<detail::layers::GroupNormalizationDescription>({std::move(options)})) {}

}  // namespace linn
