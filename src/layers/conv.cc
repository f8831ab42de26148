#include "linn/layers/conv.h"

#include <fmt/format.h>

#include "layers/apply_activation.h"
#include "layers/one_row.h"
#include "layers/weight_fields.h"
#include "linn/error.h"
#include "plan/ops/conv.h"

namespace linn {
namespace detail::layers {
namespace {

struct Conv2DConfig {
  std::int64_t filters = 1;
  Size2 kernel_size = {1, 1};
  Conv2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::Conv2DConfig> {
  using C = detail::layers::Conv2DConfig;
  using O = Conv2DOptions;
  static constexpr Info info{
      .module = "keras.layers", .name = "Conv2D", .aliases = {"Convolution2D"}, .help = "Convolution over images (height, width, channels)."};
  static constexpr auto fields =
      all(required("filters", &C::filters, at_least(1), "Channels of the output."),
          required("kernel_size", &C::kernel_size, at_least(1), "Height and width of the window."),
          nested(&C::options,  //
                 detail::layers::stride_fields<O>(detail::layers::all_paddings), detail::layers::dilation_fields<O>(),
                 field("groups", &O::groups, at_least(1), "Groups of channels that are convolved apart."),
                 detail::layers::activation_fields<O>(), detail::layers::kernel_fields<O>(), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "c", "filters": 3, "kernel_size": [3, 2]})", "(6, 5, 2)"},
      {R"({"name": "c", "filters": 4, "kernel_size": [3, 3], "strides": [2, 1], "padding": "same", "groups": 2, "activation": "relu",
           "kernel_initializer": "he_normal", "bias_initializer": {"class_name": "Constant", "config": {"value": 0.5}}})",
       "(5, 6, 4)"},
      {R"({"name": "c", "filters": 2, "kernel_size": [3, 3], "padding": "same", "dilation_rate": [2, 2], "activation": "tanh", "use_bias": false})",
       "(6, 6, 1)"},
      {R"({"name": "c", "filters": 3, "kernel_size": [3, 3], "padding": "circular"})", "(4, 6, 2)"},
      // Pads larger than the map.
      {R"({"name": "c", "filters": 2, "kernel_size": [5, 4], "strides": [2, 2], "padding": "circular", "activation": "tanh"})", "(4, 2, 3)"},
      {R"({"name": "c", "filters": 2, "kernel_size": [3, 3], "padding": "full", "dilation_rate": [1, 2]})", "(3, 4, 2)"},
      {R"({"name": "c", "filters": 6, "kernel_size": [1, 1], "strides": [2, 2]})", "(5, 6, 3)"},
      {R"({"name": "c", "filters": 4, "kernel_size": [1, 1], "strides": [3, 2], "padding": "same", "groups": 2, "use_bias": false})", "(7, 5, 4)"},
      {R"({"name": "c", "filters": 6, "kernel_size": [3, 3], "strides": [2, 3], "padding": "same", "groups": 3})", "(7, 8, 6)"},
      // A group a channel, with one output and with two.
      {R"({"name": "c", "filters": 6, "kernel_size": [3, 3], "padding": "same", "dilation_rate": [2, 3], "groups": 6, "activation": "tanh"})", "(6, 5, 6)"},
      {R"({"name": "c", "filters": 6, "kernel_size": [5, 3], "strides": [2, 2], "padding": "same", "groups": 3, "activation": "relu"})", "(7, 6, 3)"},
      // Pads of 3.
      {R"({"name": "c", "filters": 2, "kernel_size": [7, 7], "padding": "same"})", "(5, 4, 2)"},
      {R"({"name": "c", "filters": 3, "kernel_size": [3, 3], "strides": [2, 2], "padding": [[1, 1], [1, 1]]})", "(6, 8, 2)"},
      {R"({"name": "c", "filters": 3, "kernel_size": [3, 2], "padding": [[2, 0], [0, 1]], "activation": "tanh"})", "(4, 5, 2)"},
      {R"({"name": "c", "filters": 2, "kernel_size": [3, 4], "strides": [2, 1], "padding": "reflect"})", "(5, 4, 2)"},
      {R"({"name": "c", "filters": 2, "kernel_size": [3, 3], "padding": {"pads": [[4, 0], [1, 2]], "border": "replicate"}, "dilation_rate": [2, 1]})",
       "(3, 4, 2)"}};

  static std::string fault(const C& c) {
    const O& o = c.options;
    if (c.filters % o.groups != 0) return fmt::format("groups is {}; it must divide filters ({})", o.groups, c.filters);
    if (const std::string fault = detail::layers::convolution_padding_fault(o.padding); !fault.empty()) return fault;
    return detail::layers::stride_fault(o);
  }
};

namespace detail::layers {

template <>
struct OneRowForm<Conv2DConfig> {
  static constexpr bool takes_causal = true;
  static constexpr const char* help = "Convolution over steps (steps, channels).";
  static constexpr schema::Example examples[] = {
      {R"({"name": "c", "filters": 3, "kernel_size": [3]})", "(7, 2)"},
      {R"({"name": "c", "filters": 4, "kernel_size": [4], "strides": [2], "padding": "same", "groups": 2, "activation": "relu",
           "bias_initializer": {"class_name": "Constant", "config": {"value": 0.5}}})",
       "(9, 4)"},
      {R"({"name": "c", "filters": 3, "kernel_size": [3], "padding": "causal", "dilation_rate": [2], "activation": "tanh"})", "(6, 2)"},
      {R"({"name": "c", "filters": 2, "kernel_size": [4], "padding": "causal", "strides": [3], "use_bias": false})", "(8, 1)"},
      {R"({"name": "c", "filters": 2, "kernel_size": [5], "padding": "circular"})", "(4, 3)"},
      {R"({"name": "c", "filters": 2, "kernel_size": [3], "padding": "full"})", "(1, 3)"},
      {R"({"name": "c", "filters": 4, "kernel_size": [3], "padding": [2, 1], "activation": "softmax"})", "(6, 1)"}};
};

namespace {

class Conv2DDescription final : public Described<Conv2DConfig> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const kernels::Geometry g = window(input, where).geometry;
    return activated_shape({g.out_height, g.out_width, g.out_channels}, config_.options.activation, where);
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    const Conv2DOptions& o = config_.options;
    return followed_by(o.activation, window_on_map(window(inputs[0], where()), OnMap::weighted_sum, border_text(o.padding)));
  }
  ActivationKind activation() const override { return kind_of(config_.options.activation); }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const Conv2DOptions& o = config_.options;
    std::vector<VariableSpec> specs{
        {"kernel", {config_.kernel_size.height, config_.kernel_size.width, input[2] / o.groups, config_.filters}, o.kernel_initializer, true, o.kernel_regularizer, o.kernel_constraint}};
    if (o.use_bias) specs.push_back({"bias", {config_.filters}, o.bias_initializer, true, o.bias_regularizer, o.bias_constraint});
    return specs;
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const plan::Value bias = config_.options.use_bias ? variables[1] : plan::Value{};
    const ResolvedWindow resolved = window(input.shape, where());
    const plan::Value convolved = plan::conv2d(to, resolved.padded(to, input), variables[0], bias, resolved.geometry);
    return apply_activation(to, convolved, config_.options.activation);
  }

 private:
  ResolvedWindow window(const Shape& input, const std::string& where) const {
    const Conv2DOptions& o = config_.options;
    check_map(input, where);
    if (input[2] % o.groups != 0) throw ShapeError(fmt::format("{} groups is {}; it must divide the input's channels ({})", where, o.groups, input[2]));
    return resolve_window({"kernel_size", config_.kernel_size, o.strides, o.dilation_rate, o.padding}, input, config_.filters, o.groups, where);
  }
};

}  // namespace

LINN_LAYER_ROW(Conv2D, Conv2DDescription)
LINN_LAYER_ROW(Conv1D, OneRow<Conv2DDescription>)

}  // namespace detail::layers

Conv2D::Conv2D(std::int64_t filters, Size2 kernel_size, Conv2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::Conv2DDescription>({filters, kernel_size, std::move(options)})) {}
Conv1D::Conv1D(std::int64_t filters, std::int64_t kernel_size, Conv1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::Conv2DDescription>>(
          {{filters, kernel_size, std::move(options)}})) {}

}  // namespace linn
