#include "linn/layers/adaptive_blur.h"

#include <fmt/format.h>

#include "kernels/blur/blur.h"
#include "layers/described.h"
#include "layers/window.h"
#include "linn/error.h"
#include "plan/ops/conv.h"
#include "plan/ops/norm.h"
#include "plan/ops/pixel_filter.h"
#include "plan/ops/softmax.h"

namespace linn {
namespace detail::layers {
namespace {

struct AdaptiveBlurPooling2DConfig {
  std::int64_t filter_size = 3;
  AdaptiveBlurPooling2DOptions options = {};
};

}  // namespace
}  // namespace detail::layers

template <>
struct detail::schema::Schema<detail::layers::AdaptiveBlurPooling2DConfig> {
  using C = detail::layers::AdaptiveBlurPooling2DConfig;
  using O = AdaptiveBlurPooling2DOptions;
  static constexpr Info info{.module = "linn.layers",
                             .name = "AdaptiveBlurPooling2D",
                             .help = "DDAC: a blur whose filter is made from the map, pixel by pixel; every stride-th pixel is kept."};
  static constexpr auto fields = all(
      field("filter_size", &C::filter_size, between(2, detail::kernels::most_blur_taps), "Rows and columns of the filters."),
      nested(
          &C::options,  //
          field("strides", &O::strides, at_least(1), "Pixels from one output to the next."),
          field("groups", &O::groups, at_least(1), "Groups of channels with a filter of their own."),
          field("border", &O::border, "What lies beyond the border: \"reflect\", \"replicate\", \"zero\" or \"circular\"."),
          field("momentum", &O::momentum, between(0, 1), "Share of the old value that a moving average of the logits keeps at each step."),
          field("epsilon", &O::epsilon, at_least(0), "Added to the variance of the logits."), detail::layers::data_format_field<O>(),
          field("kernel_initializer", &O::kernel_initializer, "First values of the kernel."),
          field("gamma_initializer", &O::gamma_initializer, "First values of gamma."),
          field("beta_initializer", &O::beta_initializer, "First values of beta."), detail::layers::common_fields<O>()));
  static constexpr Example examples[] = {
      {R"({"name": "a", "groups": 2})", "(6, 5, 4)"},
      {R"({"name": "a", "filter_size": 2, "strides": [1, 3], "groups": 1, "border": "circular"})", "(4, 6, 3)"},
      {R"({"name": "a", "filter_size": 4, "groups": 3, "border": "zero", "trainable": false, "gamma_initializer": "zeros"})", "(5, 4, 3)"},
      {R"({"name": "a", "groups": 1, "border": "replicate", "momentum": 0.9, "epsilon": 1e-5})", "(5, 6, 9)"}};
};

namespace detail::layers {
namespace {

class AdaptiveBlurDescription final : public Described<AdaptiveBlurPooling2DConfig> {
 public:
  using Described::Described;

  bool waits_for_input() const override { return true; }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    const kernels::Geometry g = resolve(input, where).geometry;
    return {g.out_height, g.out_width, input[2]};
  }

  std::vector<VariableSpec> variables(const Shape& input) const override {
    const AdaptiveBlurPooling2DOptions& o = config_.options;
    const std::int64_t k = config_.filter_size;
    const Shape logits{o.groups * k * k};
    return {{"kernel", {k, k, input[2], logits[0]}, o.kernel_initializer},
            {"gamma", logits, o.gamma_initializer},
            {"beta", logits, o.beta_initializer},
            {"moving_mean", logits, "zeros", false},
            {"moving_variance", logits, "ones", false}};
  }

  // Logits are convolved where an output is kept alone.
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const AdaptiveBlurPooling2DOptions& o = config_.options;
    const ResolvedWindow resolved = resolve(input.shape, where());
    const kernels::Geometry& g = resolved.geometry;
    const std::int64_t taps = config_.filter_size * config_.filter_size;
    const plan::Value padded = resolved.padded(to, input);
    plan::Value logits = plan::conv2d(to, padded, variables[0], {}, g);
    const plan::NormVariables norm{
        .gamma = variables[1], .beta = variables[2], .moving_mean = variables[3], .moving_variance = variables[4]};
    if (to.training() && to.layer_trainable())
      logits = plan::batch_norm(to, logits, norm, o.epsilon, o.momentum);
    else
      logits = plan::frozen_norm(to, logits, norm, o.epsilon);
    const plan::Value by_group = {logits.id, {g.out_height, g.out_width, o.groups, taps}};
    kernels::Geometry filter = g;
    filter.out_channels = input.shape[2];
    filter.groups = o.groups;
    return plan::pixel_filter2d(to, padded, plan::softmax(to, by_group, kernels::SoftmaxKind::softmax), filter);
  }

  OnMap on_map(std::span<const Shape> inputs) const override {
    return window_on_map(resolve(inputs[0], where()), OnMap::blur, fmt::format("border \"{}\"", config_.options.border.name()));
  }
  // Of a softmax, channels of several groups would not sum up to 1.
  ActivationKind activation() const override { return ActivationKind::other; }

 private:
  // The window of the convolution that makes the logits, which is that of the filters too.
  ResolvedWindow resolve(const Shape& input, const std::string& where) const {
    check_map(input, where);
    const AdaptiveBlurPooling2DOptions& o = config_.options;
    const std::int64_t k = config_.filter_size;
    if (input[2] % o.groups != 0)
      throw ShapeError(fmt::format("{} groups {} do not divide the {} channels of input {}", where, o.groups, input[2], input.to_string()));
    const Pads1 pads{(k - 1) / 2, k / 2};
    const kernels::Pads all{pads.before, pads.after, pads.before, pads.after};
    if (o.border == BlurBorder("reflect")) check_reflection(input, all, "border", "border=\"replicate\" or a smaller filter_size", where);
    const kernels::Window window{.height = k, .width = k, .stride_height = o.strides.height, .stride_width = o.strides.width};
    const std::int64_t around = pads.before + pads.after;
    return {all,
            pad_mode(o.border),
            kernels::resolve(window, input[0] + around, input[1] + around, input[2], o.groups * k * k).value()};
  }
};

}  // namespace

LINN_LAYER_ROW(AdaptiveBlurPooling2D, AdaptiveBlurDescription)

}  // namespace detail::layers

AdaptiveBlurPooling2D::AdaptiveBlurPooling2D(std::int64_t filter_size, AdaptiveBlurPooling2DOptions options)
    : Layer(detail::layers::make_layer<detail::layers::AdaptiveBlurDescription>({filter_size, std::move(options)})) {}

}  // namespace linn
