// The built-in networks of the goldens: small images, so that a step takes little time.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "linn/models.h"

namespace linn::tests {

inline const std::vector<std::string>& golden_networks() {
  static const std::vector<std::string> names = {"lenet5",   "all_cnn",  "vgg_small", "resnet20",
                                                 "resnet32", "resnet56", "resnet50",  "mobilenet_v2"};
  return names;
}

/// The same network whose Dropout layers pass everything on: what Keras draws, nobody else does.
inline Model without_dropout(const Model& model) {
  detail::io::Json config = detail::io::parse_json(model.to_json(), model.name());
  for (detail::io::Json& layer : config["config"]["layers"])
    if (layer["class_name"] == "Dropout") layer["config"]["rate"] = 0;
  return Model::from_json(config.dump());
}

inline Model golden_network(const std::string& name) {
  if (name == "lenet5") return models::lenet5();
  if (name == "all_cnn") return without_dropout(models::all_cnn({.input_shape = {16, 16, 3}}));
  if (name == "vgg_small") return models::vgg_small({.input_shape = {8, 8, 3}});
  if (name == "resnet20") return models::resnet20();
  if (name == "resnet32") return models::resnet32({.projection_shortcuts = false});
  if (name == "resnet56") return models::resnet56({.input_shape = {16, 16, 3}});
  if (name == "resnet50") return models::resnet50({.input_shape = {48, 48, 3}, .classes = 10});
  return models::mobilenet_v2({.input_shape = {48, 48, 3}, .classes = 10});
}

}  // namespace linn::tests
