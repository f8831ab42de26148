#include "linn/layers/conv.h"

#include <fmt/format.h>

#include "layers/apply_activation.h"
#include "layers/config.h"
#include "layers/registry.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/conv.h"

namespace linn {
namespace layers {
namespace {

class Conv2DDescription final : public Described<Conv2DConfig> {
 public:
  explicit Conv2DDescription(Conv2DConfig config) : Described(std::move(config)) {
    const Conv2DOptions& o = config_.options;
    if (config_.filters < 1) throw ValueError(fmt::format("{} filters is {}; it must be 1 or more", where(), config_.filters));
    if (o.groups < 1 || config_.filters % o.groups != 0)
      throw ValueError(fmt::format("{} groups is {}; it must be 1 or more and divide filters ({})", where(), o.groups, config_.filters));
    check_size(where(), "kernel_size", config_.kernel_size);
    check_size(where(), "strides", o.strides);
    check_size(where(), "dilation_rate", o.dilation_rate);
    const bool strided = o.strides.height > 1 || o.strides.width > 1;
    const bool dilated = o.dilation_rate.height > 1 || o.dilation_rate.width > 1;
    if (strided && dilated)
      throw ValueError(fmt::format("{} strides {} and dilation_rate {} are both above 1; only one of them may be", where(), to_string(o.strides),
                                   to_string(o.dilation_rate)));
  }

  std::string_view class_name() const override { return "Conv2D"; }
  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const kernels::Geometry g = window(input, where).geometry;
    return {g.out_height, g.out_width, g.out_channels};
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    return window_on_map(window(inputs[0], where()), OnMap::weighted_sum, border_text(config_.options.padding));
  }
  ActivationKind activation() const override { return kind_of(config_.options.activation); }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const Conv2DOptions& o = config_.options;
    std::vector<VariableSpec> specs{
        {"kernel", {config_.kernel_size.height, config_.kernel_size.width, input[2] / o.groups, config_.filters}, o.kernel_initializer}};
    if (o.use_bias) specs.push_back({"bias", {config_.filters}, o.bias_initializer});
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

template <>
DescriptionPtr read_layer<Conv2D>(const io::Json& config, const std::string& where) {
  return std::make_shared<Conv2DDescription>(read_config<Conv2DConfig>(config, where));
}

}  // namespace layers

Conv2D::Conv2D(std::int64_t filters, Size2 kernel_size, Conv2DOptions options)
    : Layer(std::make_shared<layers::Conv2DDescription>(Conv2DConfig{filters, kernel_size, std::move(options)})) {}

}  // namespace linn
