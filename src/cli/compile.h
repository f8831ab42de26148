// How the commands compile models and what labels these want.
#pragma once

#include <cstdint>
#include <string>

#include "linn/model.h"
#include "linn/tensor.h"

namespace linn::cli {

/// `compile` with accuracy and cross-entropy: of probabilities where the network ends in softmax or sigmoid, else of logits. For one output the
/// binary loss, and the accuracy whose threshold is 0.5 for a probability and 0 for a logit.
CompileOptions for_classes(const Model& model, CompileOptions compile, double label_smoothing = 0);
/// for_classes with Adam.
CompileOptions default_compile(const Model& model, double learning_rate = 0.001);
/// "loss categorical_crossentropy, optimizer Adam": what the model was compiled with. Empty where it was not.
std::string compile_text(const Model& model);

/// Labels as the model's loss wants them: whole numbers for the sparse loss, else rows with a 1 at the label; for one output the label itself.
/// Throws DataError, naming the label, for one that the model has no output for; ShapeError where the output is no row of classes.
Tensor targets_of(const Model& model, const Tensor& labels, const std::string& where);

/// The same for many batches: what the model wants is found out once.
class Targets {
 public:
  explicit Targets(const Model& model);
  Tensor of(const Tensor& labels, const std::string& where) const;

 private:
  std::int64_t outputs_ = 0;
  bool takes_labels_ = false;
  bool is_single_ = false;           // one output, which the label itself is the target of
  bool is_for_two_classes_ = false;  // where it is single
};

}  // namespace linn::cli
