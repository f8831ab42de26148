#include <fmt/format.h>

#include <string>

#include "linn/layers.h"
#include "linn/models.h"
#include "model/networks.h"

namespace linn::models {
namespace {

// ---- CIFAR-10 (He et al. 2016, section 4.2) ----------------------------------------------------------------------

SymbolicTensor convolve_3x3(const SymbolicTensor& x, std::int64_t filters, std::int64_t stride, const std::string& name) {
  return Conv2D(filters, 3, {.strides = stride, .padding = "same", .use_bias = false, .kernel_initializer = "he_normal", .name = name})(x);
}

// The value beside a block that halves the map and doubles the channels.
SymbolicTensor smaller_shortcut(const SymbolicTensor& x, std::int64_t filters, bool projection, const std::string& name) {
  if (projection) {
    const auto y =
        Conv2D(filters, 1, {.strides = 2, .use_bias = false, .kernel_initializer = "he_normal", .name = name + "_shortcut_conv"})(x);
    return BatchNormalization({.name = name + "_shortcut_bn"})(y);
  }
  // Blocks double the channels, so there are as many zeros to add as there are values.
  const auto kept = MaxPooling2D(1, {.strides = 2, .name = name + "_shortcut_pool"})(x);
  return Concatenate({.name = name + "_shortcut_concat"})({kept, Rescaling(0, {.name = name + "_shortcut_zeros"})(kept)});
}

SymbolicTensor basic_block(const SymbolicTensor& x, std::int64_t filters, bool smaller, bool projection, const std::string& name) {
  auto y = convolve_3x3(x, filters, smaller ? 2 : 1, name + "_conv1");
  y = BatchNormalization({.name = name + "_bn1"})(y);
  y = Activation("relu", {.name = name + "_relu1"})(y);
  y = convolve_3x3(y, filters, 1, name + "_conv2");
  y = BatchNormalization({.name = name + "_bn2"})(y);
  const auto shortcut = smaller ? smaller_shortcut(x, filters, projection, name) : x;
  return Activation("relu", {.name = name + "_out"})(Add({.name = name + "_add"})({shortcut, y}));
}

Model cifar_resnet(const char* name, int blocks, const ResNetOptions& options) {
  detail::model::check_classes(name, options.classes);
  const auto in = Input(detail::model::images_of(name, options.input_shape, {32, 32, 3}, 1, true));
  auto x = convolve_3x3(in, 16, 1, "conv");
  x = BatchNormalization({.name = "bn"})(x);
  x = Activation("relu", {.name = "relu"})(x);
  std::int64_t filters = 16;
  for (int stage = 1; stage <= 3; ++stage, filters *= 2)
    for (int block = 1; block <= blocks; ++block)
      x = basic_block(x, filters, stage > 1 && block == 1, options.projection_shortcuts, fmt::format("stage{}_block{}", stage, block));
  x = GlobalAveragePooling2D({.name = "avg_pool"})(x);
  x = Dense(options.classes, {.activation = "softmax", .kernel_initializer = "he_normal", .name = "predictions"})(x);
  return Model(in, x, {.name = options.name.empty() ? name : options.name, .seed = options.seed, .dtype_policy = options.dtype_policy});
}

// ---- ImageNet, as keras.applications.ResNet50 --------------------------------------------------------------------

SymbolicTensor normalized(const SymbolicTensor& x, const std::string& name) {
  return BatchNormalization({.epsilon = 1.001e-5, .name = name})(x);
}

SymbolicTensor bottleneck(const SymbolicTensor& x, std::int64_t filters, std::int64_t stride, bool first, const std::string& name) {
  const auto shortcut = first ? normalized(Conv2D(4 * filters, 1, {.strides = stride, .name = name + "_0_conv"})(x), name + "_0_bn") : x;
  auto y = Conv2D(filters, 1, {.strides = stride, .name = name + "_1_conv"})(x);
  y = Activation("relu", {.name = name + "_1_relu"})(normalized(y, name + "_1_bn"));
  y = Conv2D(filters, 3, {.padding = "same", .name = name + "_2_conv"})(y);
  y = Activation("relu", {.name = name + "_2_relu"})(normalized(y, name + "_2_bn"));
  y = normalized(Conv2D(4 * filters, 1, {.name = name + "_3_conv"})(y), name + "_3_bn");
  return Activation("relu", {.name = name + "_out"})(Add({.name = name + "_add"})({shortcut, y}));
}

}  // namespace

Model resnet20(const ResNetOptions& options) { return cifar_resnet("resnet20", 3, options); }
Model resnet32(const ResNetOptions& options) { return cifar_resnet("resnet32", 5, options); }
Model resnet56(const ResNetOptions& options) { return cifar_resnet("resnet56", 9, options); }

Model resnet50(const ApplicationOptions& options) {
  const auto in = Input(detail::model::images_of("resnet50", options.input_shape, {224, 224, 3}, 32, true));
  auto x = ZeroPadding2D(3, {.name = "conv1_pad"})(in);
  x = Conv2D(64, 7, {.strides = 2, .name = "conv1_conv"})(x);
  x = Activation("relu", {.name = "conv1_relu"})(normalized(x, "conv1_bn"));
  x = ZeroPadding2D(1, {.name = "pool1_pad"})(x);
  x = MaxPooling2D(3, {.strides = 2, .name = "pool1_pool"})(x);
  struct Stage {
    std::int64_t filters;
    int blocks;
  };
  int number = 2;
  for (const auto [filters, blocks] : {Stage{64, 3}, Stage{128, 4}, Stage{256, 6}, Stage{512, 3}}) {
    for (int block = 1; block <= blocks; ++block)
      x = bottleneck(x, filters, number > 2 && block == 1 ? 2 : 1, block == 1, fmt::format("conv{}_block{}", number, block));
    ++number;
  }
  x = detail::model::with_top("resnet50", x,
                      {.include_top = options.include_top,
                       .pooling = options.pooling,
                       .classes = options.classes,
                       .activation = options.classifier_activation,
                       .average_name = "avg_pool",
                       .maximum_name = "max_pool"});
  return Model(in, x, {.name = options.name.empty() ? "resnet50" : options.name, .seed = options.seed, .dtype_policy = options.dtype_policy});
}

}  // namespace linn::models
