#include "model/networks.h"

#include <fmt/format.h>

#include "linn/error.h"
#include "linn/layers.h"
#include "linn/models.h"

namespace linn {
namespace detail::model {

Shape images_of(std::string_view network, const Shape& given, const Shape& published, std::int64_t smallest, bool may_be_open) {
  if (given.empty()) return published;
  if (given.rank() != 3)
    throw ShapeError(fmt::format("{}: images of shape {} came; (height, width, channels) is allowed", network, given.to_string()));
  for (const int axis : {0, 1}) {
    if (given[axis] == Shape::none && may_be_open) continue;
    if (given[axis] == Shape::none)
      throw ShapeError(fmt::format("{}: images of shape {} came; its Dense layer behind Flatten needs height and width", network, given.to_string()));
    if (given[axis] < smallest)
      throw ShapeError(fmt::format("{}: images of shape {} came; at least {} x {} is allowed", network, given.to_string(), smallest, smallest));
  }
  if (given[2] < 1) throw ShapeError(fmt::format("{}: images of shape {} came; the number of channels must be known", network, given.to_string()));
  return given;
}

void check_classes(std::string_view network, std::int64_t classes) {
  if (classes < 2) throw ValueError(fmt::format("{}: {} classes came; 2 or more are allowed", network, classes));
}

SymbolicTensor with_top(std::string_view network, const SymbolicTensor& x, const Top& top) {
  if (top.pooling != "" && top.pooling != "avg" && top.pooling != "max")
    throw ValueError(fmt::format("{}: pooling \"{}\" came; \"avg\", \"max\" and \"\" are allowed", network, top.pooling));
  if (top.include_top) {
    check_classes(network, top.classes);
    return Dense(top.classes, {.activation = top.activation, .name = "predictions"})(GlobalAveragePooling2D({.name = top.average_name})(x));
  }
  if (top.pooling == "avg") return GlobalAveragePooling2D({.name = top.average_name})(x);
  if (top.pooling == "max") return GlobalMaxPooling2D({.name = top.maximum_name})(x);
  return x;
}

}  // namespace detail::model

namespace models {
namespace {

ModelOptions model_options(const NetworkOptions& options, const char* name) {
  return {.name = options.name.empty() ? name : options.name, .seed = options.seed, .dtype_policy = options.dtype_policy};
}

}  // namespace

Model lenet5(const NetworkOptions& options) {
  detail::model::check_classes("lenet5", options.classes);
  const Shape image = detail::model::images_of("lenet5", options.input_shape, {28, 28, 1}, 12, false);
  return Sequential({Input(image), Conv2D(6, 5, {.padding = "same", .activation = "tanh"}), AveragePooling2D(2), Conv2D(16, 5, {.activation = "tanh"}),
                     AveragePooling2D(2), Flatten(), Dense(120, {.activation = "tanh"}), Dense(84, {.activation = "tanh"}),
                     Dense(options.classes, {.activation = "softmax"})},
                    model_options(options, "lenet5"));
}

Model all_cnn(const NetworkOptions& options) {
  detail::model::check_classes("all_cnn", options.classes);
  const Shape image = detail::model::images_of("all_cnn", options.input_shape, {32, 32, 3}, 9, true);
  Sequential network(model_options(options, "all_cnn"));
  network.add(Input(image));
  network.add(Dropout(0.2));
  const auto convolve = [&](std::int64_t filters, Size2 kernel, Size2 strides, Padding padding, ActivationName activation) {
    network.add(Conv2D(filters, kernel, {.strides = strides, .padding = padding, .activation = activation, .kernel_initializer = "he_normal"}));
  };
  for (const std::int64_t filters : {96, 192}) {
    convolve(filters, 3, 1, "same", "relu");
    convolve(filters, 3, 1, "same", "relu");
    convolve(filters, 3, 2, "same", "relu");
    network.add(Dropout(0.5));
  }
  convolve(192, 3, 1, "valid", "relu");
  convolve(192, 1, 1, "valid", "relu");
  convolve(options.classes, 1, 1, "valid", "linear");
  network.add(GlobalAveragePooling2D());
  network.add(Activation("softmax"));
  return network;
}

Model vgg_small(const NetworkOptions& options) {
  detail::model::check_classes("vgg_small", options.classes);
  const Shape image = detail::model::images_of("vgg_small", options.input_shape, {32, 32, 3}, 8, false);
  Sequential network(model_options(options, "vgg_small"));
  network.add(Input(image));
  for (const std::int64_t filters : {128, 256, 512}) {
    for (int i = 0; i < 2; ++i) {
      network.add(Conv2D(filters, 3, {.padding = "same", .use_bias = false, .kernel_initializer = "he_normal"}));
      network.add(BatchNormalization());
      network.add(Activation("relu"));
    }
    network.add(MaxPooling2D());
  }
  network.add(Flatten());
  network.add(Dense(options.classes, {.activation = "softmax"}));
  return network;
}

}  // namespace models
}  // namespace linn
