#include "linn/layers/depthwise_conv.h"

#include "layers/apply_activation.h"
#include "layers/one_row.h"
#include "layers/weight_fields.h"
#include "layers/window.h"
#include "plan/ops/conv.h"

namespace linn {
namespace detail::layers {
namespace {

struct DepthwiseConv2DConfig {
  Size2 kernel_size = {1, 1};
  DepthwiseConv2DOptions options = {};
};

struct SeparableConv2DConfig {
  std::int64_t filters = 1;
  Size2 kernel_size = {1, 1};
  SeparableConv2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::DepthwiseConv2DConfig> {
  using C = detail::layers::DepthwiseConv2DConfig;
  using O = DepthwiseConv2DOptions;
  static constexpr Info info{.module = "keras.layers", .name = "DepthwiseConv2D", .help = "Convolution of each channel of images alone."};
  static constexpr auto fields =
      all(required("kernel_size", &C::kernel_size, at_least(1), "Height and width of the window."),
          nested(&C::options,  //
                 detail::layers::stride_fields<O>(detail::layers::all_paddings),
                 field("depth_multiplier", &O::depth_multiplier, at_least(1), "Output channels of each input channel."),
                 detail::layers::dilation_fields<O>(),
                 detail::layers::activation_fields<O>(),
                 field("depthwise_initializer", &O::depthwise_initializer, "First values of the kernel."),
                 field("bias_initializer", &O::bias_initializer, "First values of the bias."),
                 field("depthwise_regularizer", &O::depthwise_regularizer, "Added to the loss for the size of the kernel."),
                 field("bias_regularizer", &O::bias_regularizer, "Added to the loss for the size of the bias."),
                 detail::layers::activity_field<O>(),
                 field("depthwise_constraint", &O::depthwise_constraint, "Done to the depthwise kernel after each step."),
                 field("bias_constraint", &O::bias_constraint, "Done to the bias after each step."),
                 detail::layers::common_fields<O>()));
  // tf.keras 2 also writes what Conv2D has.
  static constexpr Absent absent[] = {{"groups", "1"}};
  static constexpr Example examples[] = {
      {R"({"name": "d", "kernel_size": [3, 2]})", "(6, 5, 3)"},
      {R"({"name": "d", "kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "depth_multiplier": 2, "activation": "relu",
           "bias_initializer": {"class_name": "Constant", "config": {"value": 0.5}}})",
       "(5, 6, 3)"},
      {R"({"name": "d", "kernel_size": [3, 3], "strides": [2, 1], "padding": "same", "dilation_rate": [2, 3], "use_bias": false,
           "activation": "tanh"})",
       "(7, 6, 2)"},
      {R"({"name": "d", "kernel_size": [3, 5], "padding": "circular"})", "(4, 6, 2)"},
      {R"({"name": "d", "kernel_size": [3, 3]})", "(5, 4, 1)"},
      {R"({"name": "d", "kernel_size": [3, 3], "depth_multiplier": 2})", "(5, 4, 1)"},
      {R"({"name": "d", "kernel_size": [3, 3], "strides": [2, 3], "padding": "same", "depth_multiplier": 2, "activation": "tanh"})", "(7, 8, 3)"},
      {R"({"name": "d", "kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "dilation_rate": [2, 3], "use_bias": false, "activation": "relu"})",
       "(9, 8, 4)"},
      {R"({"name": "d", "kernel_size": [3, 3], "strides": [2, 2], "padding": [[1, 1], [1, 1]]})", "(6, 8, 3)"},
      {R"({"name": "d", "kernel_size": [5, 3], "padding": [[0, 4], [2, 1]], "depth_multiplier": 2})", "(5, 4, 2)"},
      {R"({"name": "d", "kernel_size": [3, 3], "strides": [2, 2], "padding": {"pads": [[1, 2], [2, 0]], "border": "circular"}})", "(5, 4, 2)"},
      {R"({"name": "d", "kernel_size": [7, 7], "padding": "same"})", "(4, 5, 2)"}};  // pads of 3
  static std::string fault(const C& c) { return detail::layers::convolution_padding_fault(c.options.padding); }
};

template <>
struct detail::schema::Schema<detail::layers::SeparableConv2DConfig> {
  using C = detail::layers::SeparableConv2DConfig;
  using O = SeparableConv2DOptions;
  static constexpr Info info{.module = "keras.layers",
                             .name = "SeparableConv2D",
                             .aliases = {"SeparableConvolution2D"},
                             .help = "A convolution of each channel alone, then a 1x1 convolution."};
  static constexpr auto fields =
      all(required("filters", &C::filters, at_least(1), "Channels of the output."),
          required("kernel_size", &C::kernel_size, at_least(1), "Height and width of the window."),
          nested(&C::options,  //
                 detail::layers::stride_fields<O>(detail::layers::all_paddings), detail::layers::dilation_fields<O>(),
                 field("depth_multiplier", &O::depth_multiplier, at_least(1), "Channels between the two convolutions, for each input channel."),
                 detail::layers::activation_fields<O>(),
                 field("depthwise_initializer", &O::depthwise_initializer, "First values of the depthwise kernel."),
                 field("pointwise_initializer", &O::pointwise_initializer, "First values of the 1x1 kernel."),
                 field("bias_initializer", &O::bias_initializer, "First values of the bias."),
                 field("depthwise_regularizer", &O::depthwise_regularizer, "Added to the loss for the size of the depthwise kernel."),
                 field("pointwise_regularizer", &O::pointwise_regularizer, "Added to the loss for the size of the 1x1 kernel."),
                 field("bias_regularizer", &O::bias_regularizer, "Added to the loss for the size of the bias."),
                 detail::layers::activity_field<O>(),
                 field("depthwise_constraint", &O::depthwise_constraint, "Done to the depthwise kernel after each step."),
                 field("pointwise_constraint", &O::pointwise_constraint, "Done to the 1x1 kernel after each step."),
                 field("bias_constraint", &O::bias_constraint, "Done to the bias after each step."),
                 detail::layers::common_fields<O>()));
  // tf.keras 2 also writes what Conv2D has.
  static constexpr Absent absent[] = {{"groups", "1"}, {"kernel_initializer", ""}};
  static constexpr Example examples[] = {
      {R"({"name": "s", "filters": 4, "kernel_size": [3, 2]})", "(6, 5, 3)"},
      {R"({"name": "s", "filters": 5, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "depth_multiplier": 2, "activation": "relu",
           "bias_initializer": {"class_name": "Constant", "config": {"value": 0.5}}})",
       "(5, 6, 3)"},
      {R"({"name": "s", "filters": 2, "kernel_size": [3, 3], "padding": "same", "dilation_rate": [2, 3], "use_bias": false,
           "activation": "tanh"})",
       "(7, 6, 2)"},
      {R"({"name": "s", "filters": 3, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "depth_multiplier": 2, "activation": "relu",
           "use_bias": false})",
       "(5, 6, 3)"},
      {R"({"name": "s", "filters": 3, "kernel_size": [3, 3], "padding": "same", "dilation_rate": [2, 2]})", "(6, 5, 2)"},
      {R"({"name": "s", "filters": 3, "kernel_size": [3, 3], "padding": "replicate", "dilation_rate": [2, 1]})", "(4, 5, 2)"}};
  static std::string fault(const C& c) { return detail::layers::convolution_padding_fault(c.options.padding); }
};

namespace detail::layers {

template <>
struct OneRowForm<DepthwiseConv2DConfig> {
  static constexpr const char* help = "Convolution of each channel of (steps, channels) alone.";
  static constexpr schema::Example examples[] = {
      {R"({"name": "d", "kernel_size": [3]})", "(6, 3)"},
      {R"({"name": "d", "kernel_size": [3], "strides": [2], "padding": "same", "depth_multiplier": 2, "activation": "relu",
           "bias_initializer": {"class_name": "Constant", "config": {"value": 0.5}}})",
       "(7, 3)"},
      {R"({"name": "d", "kernel_size": [2], "padding": "same", "dilation_rate": [3], "use_bias": false, "activation": "tanh"})", "(6, 2)"},
      {R"({"name": "d", "kernel_size": [5], "padding": "circular"})", "(5, 1)"}};
};

template <>
struct OneRowForm<SeparableConv2DConfig> {
  static constexpr const char* help = "A convolution of each channel of (steps, channels) alone, then one over the channels of each step.";
  static constexpr schema::Example examples[] = {
      {R"({"name": "s", "filters": 4, "kernel_size": [3]})", "(6, 3)"},
      {R"({"name": "s", "filters": 5, "kernel_size": [3], "strides": [2], "padding": "same", "depth_multiplier": 2, "activation": "relu",
           "bias_initializer": {"class_name": "Constant", "config": {"value": 0.5}}})",
       "(7, 3)"},
      {R"({"name": "s", "filters": 2, "kernel_size": [3], "padding": "same", "dilation_rate": [2], "use_bias": false, "activation": "tanh"})", "(6, 1)"}};
};

namespace {

// The convolution of each channel alone, for an input (height, width, channels).
template <class Config>
ResolvedWindow depthwise_window(const Config& config, const Shape& input, const std::string& where) {
  check_map(input, where);
  const auto& o = config.options;
  return resolve_window({"kernel_size", config.kernel_size, o.strides, o.dilation_rate, o.padding}, input, input[2] * o.depth_multiplier,
                        input[2], where);
}

template <class Config>
Shape depthwise_kernel_shape(const Config& config, const Shape& input) {
  return {config.kernel_size.height, config.kernel_size.width, input[2], config.options.depth_multiplier};
}

// `kernel` [rows, columns, channels, multiplier] is the kernel of a convolution with a group a channel: [rows, columns, 1, channels * multiplier].
plan::Value depthwise_conv2d(plan::Lowering& to, const ResolvedWindow& window, plan::Value input, plan::Value kernel, plan::Value bias) {
  const kernels::Geometry& g = window.geometry;
  const plan::Value grouped = {kernel.id, {g.window_height, g.window_width, 1, g.out_channels}};
  return plan::conv2d(to, window.padded(to, input), grouped, bias, g);
}

class DepthwiseConv2DDescription final : public Described<DepthwiseConv2DConfig> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const kernels::Geometry g = depthwise_window(config_, input, where).geometry;
    return activated_shape({g.out_height, g.out_width, g.out_channels}, config_.options.activation, where);
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    const auto& o = config_.options;
    return followed_by(o.activation, window_on_map(depthwise_window(config_, inputs[0], where()), OnMap::weighted_sum, border_text(o.padding)));
  }
  ActivationKind activation() const override { return kind_of(config_.options.activation); }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const DepthwiseConv2DOptions& o = config_.options;
    std::vector<VariableSpec> specs{{"kernel", depthwise_kernel_shape(config_, input), o.depthwise_initializer, true, o.depthwise_regularizer, o.depthwise_constraint}};
    if (o.use_bias) specs.push_back({"bias", {input[2] * o.depth_multiplier}, o.bias_initializer, true, o.bias_regularizer, o.bias_constraint});
    return specs;
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const plan::Value bias = config_.options.use_bias ? variables[1] : plan::Value{};
    const plan::Value convolved = depthwise_conv2d(to, depthwise_window(config_, input.shape, where()), input, variables[0], bias);
    return apply_activation(to, convolved, config_.options.activation);
  }
};

class SeparableConv2DDescription final : public Described<SeparableConv2DConfig> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const kernels::Geometry g = depthwise_window(config_, input, where).geometry;
    return activated_shape({g.out_height, g.out_width, config_.filters}, config_.options.activation, where);
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    const auto& o = config_.options;
    return followed_by(o.activation, window_on_map(depthwise_window(config_, inputs[0], where()), OnMap::weighted_sum, border_text(o.padding)));
  }
  ActivationKind activation() const override { return kind_of(config_.options.activation); }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const SeparableConv2DOptions& o = config_.options;
    std::vector<VariableSpec> specs{{"depthwise_kernel", depthwise_kernel_shape(config_, input), o.depthwise_initializer, true, o.depthwise_regularizer, o.depthwise_constraint},
                                    {"pointwise_kernel", {1, 1, input[2] * o.depth_multiplier, config_.filters}, o.pointwise_initializer, true, o.pointwise_regularizer, o.pointwise_constraint}};
    if (o.use_bias) specs.push_back({"bias", {config_.filters}, o.bias_initializer, true, o.bias_regularizer, o.bias_constraint});
    return specs;
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const plan::Value bias = config_.options.use_bias ? variables[2] : plan::Value{};
    const plan::Value middle = depthwise_conv2d(to, depthwise_window(config_, input.shape, where()), input, variables[0], {});
    const kernels::Geometry pointwise =
        kernels::resolve({}, middle.shape[0], middle.shape[1], middle.shape[2], config_.filters).value();
    return apply_activation(to, plan::conv2d(to, middle, variables[1], bias, pointwise), config_.options.activation);
  }
};

}  // namespace

LINN_LAYER_ROW(DepthwiseConv2D, DepthwiseConv2DDescription)
LINN_LAYER_ROW(SeparableConv2D, SeparableConv2DDescription)
LINN_LAYER_ROW(DepthwiseConv1D, OneRow<DepthwiseConv2DDescription>)
LINN_LAYER_ROW(SeparableConv1D, OneRow<SeparableConv2DDescription>)

}  // namespace detail::layers

DepthwiseConv2D::DepthwiseConv2D(Size2 kernel_size, DepthwiseConv2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::DepthwiseConv2DDescription>({kernel_size, std::move(options)})) {}

SeparableConv2D::SeparableConv2D(std::int64_t filters, Size2 kernel_size, SeparableConv2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::SeparableConv2DDescription>({filters, kernel_size, std::move(options)})) {}

DepthwiseConv1D::DepthwiseConv1D(std::int64_t kernel_size, DepthwiseConv1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::DepthwiseConv2DDescription>>({{kernel_size, std::move(options)}})) {}

SeparableConv1D::SeparableConv1D(std::int64_t filters, std::int64_t kernel_size, SeparableConv1DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::SeparableConv2DDescription>>(
          {{filters, kernel_size, std::move(options)}})) {}

}  // namespace linn
