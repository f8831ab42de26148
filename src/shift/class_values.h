// What the outputs of a classifier mean: how many classes there are, and the value of each.
#pragma once

#include <cstdint>

#include "io/json.h"
#include "linn/model.h"
#include "linn/shape.h"
#include "linn/tensor.h"

namespace linn::shift {

/// What the model was compiled with, as Keras writes it; null where it was not compiled.
detail::io::Json compile_config(const Model& model);
/// Its loss; null where there is none.
detail::io::Json loss_config(const Model& model);
/// The name of a loss, an optimizer or a metric in such a configuration: a text, or an object with "class_name". Empty: there is none.
std::string name_in(const detail::io::Json& config);

/// Whether a model's outputs are logits: its loss says so, or it was never compiled and does not end in probabilities.
bool gives_logits(const Model& model);

/// Whether a model tells two classes apart by one output: `Dense(1, {.activation = "sigmoid"})`, or `Dense(1)` for a logit. A number that a
/// loss such as mean_squared_error compares is no class.
bool is_binary(const Model& model);

/// Turns outputs into one value for each class; the predicted class is the one with the largest value, of equal values the first.
/// | outputs            | value of class 0 | value of class 1 | class 1 is predicted where |
/// |--------------------|------------------|------------------|----------------------------|
/// | one probability p  | 1 - p            | p                | p > 0.5                    |
/// | one logit z        | -z / 2           | z / 2            | z > 0                      |
/// | several            | as they are      |                  |                            |
/// The softmax of (-z / 2, z / 2) is (1 - sigmoid(z), sigmoid(z)).
class ClassValues {
 public:
  /// ShapeError for a model that gives several outputs, or no row of values.
  explicit ClassValues(const Model& model)
      : binary_(is_binary(model)), logits_(gives_logits(model)), classes_(binary_ ? 2 : model.output_shape()[0]) {}

  std::int64_t classes() const { return classes_; }
  /// Whether the values are logits: their softmax gives probabilities.
  bool logits() const { return logits_; }
  /// Outputs (n, outputs) as values (n, classes).
  Tensor of(const Tensor& outputs) const;

 private:
  bool binary_, logits_;
  std::int64_t classes_;
};

}  // namespace linn::shift
