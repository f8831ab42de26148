#include "shift/class_values.h"

#include <cstddef>

#include "shift/network.h"

namespace linn::shift {

detail::io::Json compile_config(const Model& model) {
  if (!model.compiled()) return nullptr;
  const detail::io::Json json = detail::io::parse_json(model.to_json(), "the model's configuration");
  return json.contains("compile_config") ? json["compile_config"] : detail::io::Json(nullptr);
}

detail::io::Json loss_config(const Model& model) {
  const detail::io::Json compiled = compile_config(model);
  return compiled.is_object() && compiled.contains("loss") ? compiled["loss"] : detail::io::Json(nullptr);
}

std::string name_in(const detail::io::Json& config) {
  if (config.is_string()) return config.get<std::string>();
  return config.is_object() ? config.value("class_name", "") : "";
}

bool gives_logits(const Model& model) {
  const detail::io::Json loss = loss_config(model);
  const bool entropy = name_in(loss).find("rossentropy") != std::string::npos;
  if (loss.is_object() && loss.contains("config") && loss["config"].is_object())
    return entropy && loss["config"].value("from_logits", false);
  // A loss by its name takes probabilities, and whoever gives it logits has not trained a classifier.
  return loss.is_null() && !gives_probabilities(model);
}

bool is_binary(const Model& model) {
  if (model.output_shape() != Shape{1}) return false;
  const std::string loss = name_in(loss_config(model));
  const bool two_classes = loss.empty() || loss.find("inary") != std::string::npos || loss.find("inge") != std::string::npos;
  return two_classes || gives_probabilities(model);
}

Tensor ClassValues::of(const Tensor& outputs) const {
  if (!binary_) return outputs;
  const auto from = outputs.values<float>();
  Tensor values({outputs.shape()[0], 2});
  const auto to = values.values<float>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[2 * i] = logits_ ? -from[i] / 2 : 1 - from[i];
    to[2 * i + 1] = logits_ ? from[i] / 2 : from[i];
  }
  return values;
}

}  // namespace linn::shift
