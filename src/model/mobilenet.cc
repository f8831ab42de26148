#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "linn/error.h"
#include "linn/layers.h"
#include "linn/models.h"
#include "model/networks.h"

namespace linn::models {
namespace {

// To a multiple of 8, and at most a tenth less.
std::int64_t round_filters(double filters) {
  const std::int64_t rounded = std::max<std::int64_t>(8, static_cast<std::int64_t>(filters + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * filters ? rounded + 8 : rounded;
}

SymbolicTensor batch_normalized(const SymbolicTensor& x, const std::string& name) { return BatchNormalization({.momentum = 0.999, .name = name})(x); }
SymbolicTensor relu6(const SymbolicTensor& x, const std::string& name) { return ReLU({.max_value = 6, .name = name})(x); }

SymbolicTensor convolve_1x1(const SymbolicTensor& x, std::int64_t filters, const std::string& name) {
  return Conv2D(filters, 1, {.padding = "same", .use_bias = false, .name = name})(x);
}

// Pads so that a 3x3 window with stride 2 and "valid" padding sees what "same" padding would show it.
SymbolicTensor padded_for_stride(const SymbolicTensor& x, const std::string& name) {
  const auto before = [&](int axis) { return x.shape()[axis] == Shape::none ? 0 : x.shape()[axis] % 2; };
  return ZeroPadding2D({{before(0), 1}, {before(1), 1}}, {.name = name})(x);
}

struct Block {
  std::int64_t filters;
  std::int64_t stride;
  std::int64_t expansion;
};

SymbolicTensor inverted_residual(const SymbolicTensor& x, const Block& block, double alpha, int number) {
  const std::string prefix = number == 0 ? "expanded_conv_" : fmt::format("block_{}_", number);
  const std::int64_t channels = x.shape()[2];
  const std::int64_t filters = round_filters(std::floor(static_cast<double>(block.filters) * alpha));
  auto y = x;
  if (number > 0) {
    y = convolve_1x1(y, block.expansion * channels, prefix + "expand");
    y = relu6(batch_normalized(y, prefix + "expand_BN"), prefix + "expand_relu");
  }
  if (block.stride == 2) y = padded_for_stride(y, prefix + "pad");
  y = DepthwiseConv2D(3, {.strides = block.stride,
                          .padding = block.stride == 1 ? Padding("same") : Padding("valid"),
                          .use_bias = false,
                          .name = prefix + "depthwise"})(y);
  y = relu6(batch_normalized(y, prefix + "depthwise_BN"), prefix + "depthwise_relu");
  y = batch_normalized(convolve_1x1(y, filters, prefix + "project"), prefix + "project_BN");
  return channels == filters && block.stride == 1 ? Add({.name = prefix + "add"})({x, y}) : y;
}

constexpr Block blocks[] = {{16, 1, 1}, {24, 2, 6}, {24, 1, 6}, {32, 2, 6}, {32, 1, 6},  {32, 1, 6},  {64, 2, 6},  {64, 1, 6}, {64, 1, 6},
                            {64, 1, 6}, {96, 1, 6}, {96, 1, 6}, {96, 1, 6}, {160, 2, 6}, {160, 1, 6}, {160, 1, 6}, {320, 1, 6}};

}  // namespace

Model mobilenet_v2(const MobileNetV2Options& options) {
  if (!(options.alpha > 0) || !std::isfinite(options.alpha))
    throw ValueError(fmt::format("mobilenet_v2: alpha {} came; a number above 0 is allowed", options.alpha));
  const Shape image = detail::model::images_of("mobilenet_v2", options.input_shape, {224, 224, 3}, 32, true);
  const auto in = Input(image);
  auto x = Conv2D(round_filters(32 * options.alpha), 3, {.strides = 2, .padding = "same", .use_bias = false, .name = "Conv1"})(in);
  x = relu6(batch_normalized(x, "bn_Conv1"), "Conv1_relu");
  int number = 0;
  for (const Block& block : blocks) x = inverted_residual(x, block, options.alpha, number++);
  // The paper widens the last convolution, but does not narrow it.
  x = Conv2D(options.alpha > 1 ? round_filters(1280 * options.alpha) : 1280, 1, {.use_bias = false, .name = "Conv_1"})(x);
  x = relu6(batch_normalized(x, "Conv_1_bn"), "out_relu");
  x = detail::model::with_top("mobilenet_v2", x,
                      {.include_top = options.include_top,
                       .pooling = options.pooling,
                       .classes = options.classes,
                       .activation = options.classifier_activation,
                       .average_name = "",
                       .maximum_name = ""});
  const std::string keras_name = fmt::format("mobilenetv2_{:.2f}_{}", options.alpha, image[0] == Shape::none ? "None" : fmt::format("{}", image[0]));
  return Model(in, x, {.name = options.name.empty() ? keras_name : options.name, .seed = options.seed, .dtype_policy = options.dtype_policy});
}

}  // namespace linn::models
