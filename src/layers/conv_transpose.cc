#include "linn/layers/conv_transpose.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "layers/apply_activation.h"
#include "layers/one_row.h"
#include "layers/weight_fields.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/conv_transpose.h"

namespace linn {
namespace detail::layers {
namespace {

struct Conv2DTransposeConfig {
  std::int64_t filters = 1;
  Size2 kernel_size = {1, 1};
  Conv2DTransposeOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::Conv2DTransposeConfig> {
  using C = detail::layers::Conv2DTransposeConfig;
  using O = Conv2DTransposeOptions;
  static constexpr Info info{.module = "keras.layers",
                             .name = "Conv2DTranspose",
                             .aliases = {"Convolution2DTranspose"},
                             .help = "Transposed convolution: the gradient of a convolution as a layer."};
  static constexpr auto fields =
      all(required("filters", &C::filters, at_least(1), "Channels of the output."),
          required("kernel_size", &C::kernel_size, at_least(1), "Height and width of the window."),
          nested(&C::options,  //
                 detail::layers::stride_fields<O>("\"valid\" or \"same\"."),
                 field("output_padding", &O::output_padding, at_least(0), "Pixels added at the bottom and at the right."),
                 detail::layers::dilation_fields<O>(), detail::layers::activation_fields<O>(), detail::layers::kernel_fields<O>(),
                 detail::layers::common_fields<O>()));
  // tf.keras 2 also writes what Conv2D has.
  static constexpr Absent absent[] = {{"groups", "1"}};
  static constexpr Example examples[] = {
      {R"({"name": "t", "filters": 3, "kernel_size": [3, 2]})", "(4, 5, 2)"},
      {R"({"name": "t", "filters": 4, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "activation": "relu",
           "bias_initializer": {"class_name": "Constant", "config": {"value": 0.5}}})",
       "(3, 4, 2)"},
      {R"({"name": "t", "filters": 2, "kernel_size": [5, 3], "strides": [3, 2], "padding": "same", "output_padding": [2, 1], "use_bias": false})",
       "(3, 2, 3)"},
      {R"({"name": "t", "filters": 2, "kernel_size": [2, 2], "strides": [4, 3], "output_padding": [1, 0], "activation": "tanh"})", "(2, 3, 2)"},
      {R"({"name": "t", "filters": 3, "kernel_size": [3, 3], "padding": "same", "dilation_rate": [2, 3]})", "(5, 4, 2)"},
      {R"({"name": "t", "filters": 4, "kernel_size": [3, 3], "strides": [2, 3], "padding": "same", "activation": "relu"})", "(3, 4, 2)"},
      {R"({"name": "t", "filters": 2, "kernel_size": [8, 8], "strides": [2, 2], "padding": "same"})", "(3, 4, 2)"}};  // pads of 3

  static std::string fault(const C& c) {
    const O& o = c.options;
    if (o.padding.is_explicit() || (o.padding.kind() != Padding::valid && o.padding.kind() != Padding::same))
      return fmt::format("padding is {}; a transposed convolution has \"valid\" and \"same\", which say what is cut off its output: no window reads "
                         "beyond the map's border",
                         detail::schema::Type<Padding>::text(o.padding));
    if (o.output_padding.is_set() && (o.output_padding.height >= o.strides.height || o.output_padding.width >= o.strides.width))
      return fmt::format("output_padding is {}; both numbers must be below strides {}", detail::layers::to_string(o.output_padding),
                         detail::layers::to_string(o.strides));
    return detail::layers::stride_fault(o);
  }
};

namespace detail::layers {

template <>
struct OneRowForm<Conv2DTransposeConfig> {
  static constexpr const char* help = "Transposed convolution over steps (steps, channels).";
  static constexpr schema::Example examples[] = {
      {R"({"name": "t", "filters": 3, "kernel_size": [3]})", "(5, 2)"},
      {R"({"name": "t", "filters": 4, "kernel_size": [3], "strides": [2], "padding": "same", "activation": "relu",
           "bias_initializer": {"class_name": "Constant", "config": {"value": 0.5}}})",
       "(4, 2)"},
      {R"({"name": "t", "filters": 2, "kernel_size": [5], "strides": [3], "padding": "same", "output_padding": [2], "use_bias": false})", "(3, 3)"},
      {R"({"name": "t", "filters": 2, "kernel_size": [2], "strides": [4], "output_padding": [1], "activation": "tanh"})", "(3, 2)"},
      {R"({"name": "t", "filters": 3, "kernel_size": [3], "padding": "same", "dilation_rate": [3]})", "(5, 2)"}};
};

namespace {

// One axis: the size of the output, as Keras has it.
struct TransposedAxis {
  std::int64_t size, window, stride, dilation;
  std::optional<std::int64_t> output_padding;

  std::int64_t out(Padding::Kind padding) const {
    const std::int64_t reach = (window - 1) * dilation + 1, start = (size - 1) * stride;
    if (padding == Padding::same) return output_padding ? start + reach % 2 + *output_padding : size * stride;
    return start + (output_padding ? reach + *output_padding : std::max(reach, stride));
  }
};

class Conv2DTransposeDescription final : public Described<Conv2DTransposeConfig> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const kernels::Geometry g = convolution(input, where);
    return activated_shape({g.height, g.width, g.channels}, config_.options.activation, where);
  }

  ActivationKind activation() const override { return kind_of(config_.options.activation); }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const Conv2DTransposeOptions& o = config_.options;
    std::vector<VariableSpec> specs{
        {"kernel", {config_.kernel_size.height, config_.kernel_size.width, config_.filters, input[2]}, o.kernel_initializer, true, o.kernel_regularizer, o.kernel_constraint}};
    if (o.use_bias) specs.push_back({"bias", {config_.filters}, o.bias_initializer, true, o.bias_regularizer, o.bias_constraint});
    return specs;
  }

  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const plan::Value bias = config_.options.use_bias ? variables[1] : plan::Value{};
    const plan::Value result = plan::conv2d_transpose(to, input, variables[0], bias, convolution(input.shape, where()));
    return apply_activation(to, result, config_.options.activation);
  }

 private:
  // The convolution, of an output of this layer, whose gradient the layer is.
  kernels::Geometry convolution(const Shape& input, const std::string& where) const {
    check_map(input, where);
    const Conv2DTransposeOptions& o = config_.options;
    const bool padded = o.output_padding.is_set();
    const TransposedAxis rows = {input[0], config_.kernel_size.height, o.strides.height, o.dilation_rate.height,
                                 padded ? std::optional(o.output_padding.height) : std::nullopt};
    const TransposedAxis columns = {input[1], config_.kernel_size.width, o.strides.width, o.dilation_rate.width,
                                    padded ? std::optional(o.output_padding.width) : std::nullopt};
    const auto resolved = kernels::resolve({.height = rows.window,
                                            .width = columns.window,
                                            .stride_height = rows.stride,
                                            .stride_width = columns.stride,
                                            .dilation_height = rows.dilation,
                                            .dilation_width = columns.dilation,
                                            .border = o.padding.kind() == Padding::same ? kernels::Border::same : kernels::Border::valid},
                                           rows.out(o.padding.kind()), columns.out(o.padding.kind()), config_.filters, input[2]);
    // Of "same" alone: a window of an even size and output_padding 0 leave no room for the last pixel.
    if (!resolved || resolved->out_height != input[0] || resolved->out_width != input[1])
      throw ShapeError(fmt::format("{} kernel_size {} is even where output_padding {} is 0, so padding=\"same\" leaves out the end of input ({}, {}); "
                                   "use output_padding 1 or more, or leave it unset",
                                   where, to_string(config_.kernel_size), to_string(o.output_padding), input[0], input[1]));
    return *resolved;
  }
};

}  // namespace

LINN_LAYER_ROW(Conv2DTranspose, Conv2DTransposeDescription)
LINN_LAYER_ROW(Conv1DTranspose, OneRow<Conv2DTransposeDescription>)

}  // namespace detail::layers

Conv2DTranspose::Conv2DTranspose(std::int64_t filters, Size2 kernel_size, Conv2DTransposeOptions options)
    : Layer(detail::layers::make_layer<detail::layers::Conv2DTransposeDescription>({filters, kernel_size, std::move(options)})) {}
Conv1DTranspose::Conv1DTranspose(std::int64_t filters, std::int64_t kernel_size, Conv1DTransposeOptions options)
    : Layer(detail::layers::make_layer<detail::layers::OneRow<detail::layers::Conv2DTransposeDescription>>(
          {{filters, kernel_size, std::move(options)}})) {}

}  // namespace linn
