// How the commands compile models and what labels these want.
#pragma once

#include <string>

#include "linn/model.h"
#include "linn/tensor.h"

namespace linn::cli {

/// Adam, accuracy and cross-entropy: of probabilities where the network ends in softmax or sigmoid, else of logits.
CompileOptions default_compile(const Model& model, double learning_rate = 0.001);
/// Whether a model's outputs are logits: its loss says so, or it was never compiled and does not end in probabilities.
bool gives_logits(const Model& model);
/// "loss categorical_crossentropy, optimizer Adam": what the model was compiled with. Empty where it was not.
std::string compile_text(const Model& model);

/// Labels as the model's loss wants them: whole numbers for the sparse loss, else rows with a 1 at the label.
/// Throws DataError, naming the label, for one that the model has no output for; ShapeError where the output is no row of classes.
Tensor targets_of(const Model& model, const Tensor& labels, const std::string& where);

}  // namespace linn::cli
