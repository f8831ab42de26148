#include "cli/compile.h"

#include <fmt/format.h>

#include <cstdint>

#include "core/text_cells.h"
#include "io/json.h"
#include "linn/error.h"
#include "optim/losses.h"
#include "shift/class_values.h"
#include "shift/network.h"

namespace linn::cli {
namespace {

void check_labels(const Tensor& labels, std::int64_t classes, const std::string& where) {
  const Tensor numbers = labels.astype(DType::i64);
  const auto values = numbers.values<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] >= classes)
      throw DataError(fmt::format("{}: label {} of sample {}; the model has {} outputs, so 0 to {} are allowed (--classes N makes a built-in model "
                                  "with more)",
                                  where, values[i], i, classes, classes - 1));
}

void check_binary_labels(const Tensor& labels, const std::string& where) {
  const Tensor numbers = labels.astype(DType::i64);
  const auto values = numbers.values<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] != 0 && values[i] != 1)
      throw DataError(fmt::format("{}: label {} of sample {}; the model tells two classes apart by one output, so 0 and 1 are allowed: more classes "
                                  "need a model that ends in Dense(classes)",
                                  where, values[i], i));
}

// Of one output, as its loss wants them: (n, 1). A model that is no classifier, compiled with mean_squared_error, takes any numbers.
Tensor binary_targets(const Tensor& labels, bool is_for_two_classes, const std::string& where) {
  if (is_for_two_classes) check_binary_labels(labels, where);
  return labels.astype(DType::f32).reshape({labels.shape()[0], 1});
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

CompileOptions for_classes(const Model& model, CompileOptions compile, double label_smoothing) {
  const bool logits = !shift::gives_probabilities(model);
  if (model.output_shape() != Shape{1}) {
    compile.loss = losses::SparseCategoricalCrossentropy({.from_logits = logits, .label_smoothing = label_smoothing});
    compile.metrics = {"accuracy"};
    return compile;
  }
  compile.loss = losses::BinaryCrossentropy({.from_logits = logits, .label_smoothing = label_smoothing});
  compile.metrics = {metrics::BinaryAccuracy({.name = "accuracy", .threshold = logits ? 0.0 : 0.5})};
  return compile;
}

CompileOptions default_compile(const Model& model, double learning_rate) {
  return for_classes(model, {.optimizer = optimizers::Adam({.learning_rate = learning_rate})});
}

std::string compile_text(const Model& model) {
  const detail::io::Json compiled = shift::compile_config(model);
  if (!compiled.is_object()) return "";
  const auto part = [&](const char* name) {
    return compiled.contains(name) ? detail::core::printable(shift::name_in(compiled[name])) : "";
  };
  return fmt::format("loss {}{}, optimizer {}", part("loss"), shift::gives_logits(model) ? " of logits" : "", part("optimizer"));
}

Targets::Targets(const Model& model) {
  const Shape output = model.output_shape();
  if (output.rank() != 1)
    throw ShapeError(fmt::format("the model gives {} for an image, where one row of class values is needed: add Flatten or a global pooling, such as "
                                 "GlobalAveragePooling2D, before its last Dense",
                                 output.to_string()));
  outputs_ = output[0];
  const detail::io::Json loss = shift::loss_config(model);
  const bool has_loss = !shift::name_in(loss).empty();
  takes_labels_ = !has_loss || detail::optim::loss_from_json(loss, "compile: loss").description().takes_labels();
  is_single_ = outputs_ == 1 && !(has_loss && takes_labels_);
  is_for_two_classes_ = is_single_ && shift::is_binary(model);
}

Tensor Targets::of(const Tensor& labels, const std::string& where) const {
  if (is_single_) return binary_targets(labels, is_for_two_classes_, where);
  check_labels(labels, outputs_, where);
  return takes_labels_ ? labels : one_hot(labels, outputs_);
}

Tensor targets_of(const Model& model, const Tensor& labels, const std::string& where) { return Targets(model).of(labels, where); }

}  // namespace linn::cli
