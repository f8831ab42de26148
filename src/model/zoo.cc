#include "model/zoo.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "core/did_you_mean.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/models.h"

namespace linn::detail::model {
namespace {

using models::ApplicationOptions;
using models::MobileNetV2Options;
using models::NetworkOptions;
using models::ResNetOptions;

template <class Options, Model (*Function)(const Options&)>
Model made_by(const Shape& image, std::int64_t classes, const ModelOptions& options) {
  Options of_network;
  of_network.input_shape = image;
  of_network.classes = classes;
  of_network.seed = options.seed;
  of_network.name = options.name;
  of_network.dtype_policy = options.dtype_policy;
  return Function(of_network);
}

constexpr std::size_t demo_count = 5;
const std::array entries = {
    ZooEntry{"no-pooling", "no pooling", "the notebook's network with both MaxPooling2D taken out"},
    ZooEntry{"notebook", "notebook", "Conv2D 32, MaxPooling2D, Conv2D 32, MaxPooling2D, Flatten, Dense 128, Dense"},
    ZooEntry{"average-pooling", "average pooling", "the notebook's network with AveragePooling2D in place of MaxPooling2D"},
    ZooEntry{"global-max", "global max pooling",
             "the notebook's convolutions and pooling, then GlobalMaxPooling2D in place of Flatten and Dense 128"},
    ZooEntry{"invariant", "invariant",
             "Conv2D 32, 64 and 96 on a ring, each pooled, normalized and relu; adaptive polyphase sampling, then GlobalMaxPooling2D and Dense: a "
             "circular shift changes no bit of its output"},
    ZooEntry{"lenet5", "LeNet-5", "LeCun 1998: two 5x5 convolutions with tanh and AveragePooling2D, three Dense", 28, 1, 10,
             made_by<NetworkOptions, models::lenet5>},
    ZooEntry{"all_cnn", "All-CNN-C", "Springenberg 2015: nine convolutions, strides in place of pooling", 32, 3, 10,
             made_by<NetworkOptions, models::all_cnn>},
    ZooEntry{"vgg_small", "VGG-Small", "three pairs of 3x3 convolutions with 128, 256 and 512 filters, MaxPooling2D behind each", 32, 3, 10,
             made_by<NetworkOptions, models::vgg_small>},
    ZooEntry{"resnet20", "ResNet-20", "He 2016 for CIFAR-10, three residual blocks in each of three stages", 32, 3, 10,
             made_by<ResNetOptions, models::resnet20>},
    ZooEntry{"resnet32", "ResNet-32", "the same with five blocks in a stage", 32, 3, 10, made_by<ResNetOptions, models::resnet32>},
    ZooEntry{"resnet56", "ResNet-56", "the same with nine blocks in a stage", 32, 3, 10, made_by<ResNetOptions, models::resnet56>},
    ZooEntry{"resnet50", "ResNet-50", "He 2016 for ImageNet, as Keras Applications builds it", 224, 3, 1000,
             made_by<ApplicationOptions, models::resnet50>},
    ZooEntry{"mobilenet_v2", "MobileNetV2", "Sandler 2018 for ImageNet, as Keras Applications builds it", 224, 3, 1000,
             made_by<MobileNetV2Options, models::mobilenet_v2>},
};

// Convolution, pooling, normalization, relu, in the order that keeps gradients sparse; sizes must be multiples of 4.
void add_invariant(Sequential& model, const Shape& image, std::int64_t classes) {
  if (image[0] % 4 != 0 || image[1] % 4 != 0)
    throw ShapeError(fmt::format("images of {} came; the model \"invariant\" takes heights and widths that are multiples of 4, for no choice of phase moves over the seam "
                                 "of another; lay them onto such a canvas (--canvas)",
                                 image.to_string()));
  bool first = true;
  for (const std::int64_t filters : {32, 64, 96}) {
    // No bias: the normalization has one.
    model.add(Conv2D(filters, {3, 3}, {.padding = "circular", .use_bias = false, .input_shape = first ? image : Shape{}}));
    first = false;
    if (filters == 96) {
      model.add(GlobalMaxPooling2D());
    } else {
      model.add(MaxPooling2D({2, 2}, {.strides = 1, .padding = "circular"}));
      model.add(AdaptivePolyphaseSampling2D());
    }
    // Statistics of the last tens of steps: a maximum over the map moves far while weights do, and those of hundreds would lag behind.
    model.add(BatchNormalization({.momentum = 0.9}));
    model.add(Activation("relu"));
  }
  model.add(Dense(classes, {.activation = "softmax"}));
}

}  // namespace

std::span<const ZooEntry> zoo() { return entries; }
std::span<const ZooEntry> demo_networks() { return std::span(entries).first(demo_count); }

const ZooEntry& zoo_entry(std::string_view name) {
  const auto* found = std::find_if(entries.begin(), entries.end(), [&](const ZooEntry& entry) { return entry.name == name; });
  if (found != entries.end()) return *found;
  std::vector<std::string_view> names;
  std::string list;
  for (const ZooEntry& entry : entries) {
    names.push_back(entry.name);
    list += fmt::format("{}{}", list.empty() ? "" : ", ", entry.name);
  }
  throw ValueError(fmt::format("no built-in model is called \"{}\"; there are {}{}", name, list, core::did_you_mean(name, names)));
}

Model make_model(std::string_view name, const Shape& image, std::int64_t classes, const ModelOptions& options) {
  const ZooEntry& entry = zoo_entry(name);
  return entry.make != nullptr ? entry.make(image, classes, options) : make(name, image, classes, options);
}

Sequential make(std::string_view name, const Shape& image, std::int64_t classes, const ModelOptions& options) {
  const ZooEntry& entry = zoo_entry(name);
  if (entry.make != nullptr) return Sequential(entry.make(image, classes, options));
  const std::string_view known = entry.name;
  if (classes < 2) throw ValueError(fmt::format("{} classes came; 2 or more are allowed", classes));
  if (image.rank() != 3) throw ShapeError(fmt::format("images of shape {} came; (height, width, channels) is allowed", image.to_string()));

  Sequential model(options);
  if (known == "invariant") {
    add_invariant(model, image, classes);
    return model;
  }
  const auto pool = [&] {
    if (known == "no-pooling") return;
    if (known == "average-pooling")
      model.add(AveragePooling2D({2, 2}, {.strides = 2, .padding = "valid"}));
    else
      model.add(MaxPooling2D({2, 2}, {.strides = 2, .padding = "valid"}));
  };
  model.add(Conv2D(32, {3, 3}, {.padding = "valid", .activation = "relu", .input_shape = image}));
  pool();
  model.add(Conv2D(32, {3, 3}, {.padding = "valid", .activation = "relu"}));
  pool();
  if (known == "global-max") {
    model.add(GlobalMaxPooling2D());
  } else {
    model.add(Flatten());
    model.add(Dense(128, {.activation = "relu"}));
  }
  model.add(Dense(classes, {.activation = "softmax"}));
  return model;
}

}  // namespace linn::detail::model
