#include "model/zoo.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/did_you_mean.h"
#include "linn/error.h"
#include "linn/layers.h"

namespace linn::model {
namespace {

constexpr std::array entries = {
    ZooEntry{"no-pooling", "no pooling", "the notebook's network with both MaxPooling2D taken out"},
    ZooEntry{"notebook", "notebook", "Conv2D 32, MaxPooling2D, Conv2D 32, MaxPooling2D, Flatten, Dense 128, Dense"},
    ZooEntry{"average-pooling", "average pooling", "the notebook's network with AveragePooling2D in place of MaxPooling2D"},
    ZooEntry{"global-max", "global max pooling",
             "the notebook's convolutions and pooling, then GlobalMaxPooling2D in place of Flatten and Dense 128"},
    ZooEntry{"invariant", "invariant",
             "Conv2D 32, 64 and 96 on a ring, each pooled, normalized and relu; adaptive polyphase sampling, then GlobalMaxPooling2D and Dense: a "
             "circular shift changes no bit of its output"},
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

Sequential make(std::string_view name, const Shape& image, std::int64_t classes, const ModelOptions& options) {
  const std::string_view known = zoo_entry(name).name;
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

}  // namespace linn::model
