#include "cli/compile.h"

#include <fmt/format.h>

#include <cstdint>

#include "core/text_cells.h"
#include "io/json.h"
#include "linn/error.h"
#include "shift/network.h"

namespace linn::cli {
namespace {

io::Json compile_config(const Model& model) {
  if (!model.compiled()) return nullptr;
  const io::Json json = io::parse_json(model.to_json(), "the model's configuration");
  return json.contains("compile_config") ? json["compile_config"] : io::Json(nullptr);
}

// A name, or an object with one.
std::string name_of(const io::Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_object() ? value.value("class_name", "") : "";
}

io::Json loss_of(const Model& model) {
  const io::Json compiled = compile_config(model);
  return compiled.is_object() && compiled.contains("loss") ? compiled["loss"] : io::Json(nullptr);
}

bool is_sparse(const std::string& loss) {
  return loss.empty() || loss.starts_with("sparse") || loss.starts_with("Sparse");
}

void check_labels(const Tensor& labels, std::int64_t classes, const std::string& where) {
  const Tensor numbers = labels.astype(DType::i64);
  const auto values = numbers.values<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] >= classes)
      throw DataError(fmt::format("{}: label {} of sample {}; the model has {} outputs, so 0 to {} are allowed (--classes N makes a built-in model "
                                  "with more)",
                                  where, values[i], i, classes, classes - 1));
}

Tensor one_hot(const Tensor& labels, std::int64_t classes) {
  const Tensor numbers = labels.astype(DType::i64);
  Tensor rows({labels.shape()[0], classes});
  const auto values = numbers.values<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i)
    rows.values<float>()[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(values[i])] = 1;
  return rows;
}

}  // namespace

CompileOptions default_compile(const Model& model, double learning_rate) {
  return {.optimizer = optimizers::Adam({.learning_rate = learning_rate}),
          .loss = losses::SparseCategoricalCrossentropy({.from_logits = !shift::gives_probabilities(model)}),
          .metrics = {"accuracy"}};
}

bool gives_logits(const Model& model) {
  const io::Json loss = loss_of(model);
  const bool entropy = name_of(loss).find("rossentropy") != std::string::npos;
  if (loss.is_object() && loss.contains("config") && loss["config"].is_object()) return entropy && loss["config"].value("from_logits", false);
  // A loss by its name takes probabilities, and whoever gives it logits has not trained a classifier.
  return loss.is_null() && !shift::gives_probabilities(model);
}

std::string compile_text(const Model& model) {
  const io::Json compiled = compile_config(model);
  if (!compiled.is_object()) return "";
  const auto part = [&](const char* name) { return compiled.contains(name) ? core::printable(name_of(compiled[name])) : ""; };
  return fmt::format("loss {}{}, optimizer {}", part("loss"), gives_logits(model) ? " of logits" : "", part("optimizer"));
}

Tensor targets_of(const Model& model, const Tensor& labels, const std::string& where) {
  const Shape output = model.output_shape();
  if (output.rank() != 1)
    throw ShapeError(fmt::format("the model gives {} for an image, where one row of class values is needed: add Flatten or a global pooling, such as "
                                 "GlobalAveragePooling2D, before its last Dense",
                                 output.to_string()));
  check_labels(labels, output[0], where);
  return is_sparse(name_of(loss_of(model))) ? labels : one_hot(labels, output[0]);
}

}  // namespace linn::cli
