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
};

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

Sequential make(std::string_view name, const Shape& image, std::int64_t classes, const SequentialOptions& options) {
  const std::string_view known = zoo_entry(name).name;
  if (classes < 2) throw ValueError(fmt::format("{} classes came; 2 or more are allowed", classes));
  if (image.rank() != 3) throw ShapeError(fmt::format("images of shape {} came; (height, width, channels) is allowed", image.to_string()));

  Sequential model(options);
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
