// Files that hold a whole model: which kind a file is, and what all kinds have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "formats/model_json.h"
#include "formats/self_test.h"
#include "formats/training_state.h"
#include "linn/formats.h"
#include "optim/optimizers.h"

namespace linn::detail::formats {

/// What a file gave.
struct ModelFile {
  ModelConfig config{.graph = graph::Graph("sequential"), .compile = std::nullopt};
  std::uint64_t seed = 0;  // of the model; 0 for files that do not say it
  Metadata notes;
  std::optional<TrainingState> training;
  /// It holds the state of a training of other layers than can be trained now, which `training` leaves out.
  bool trained_other_layers = false;
  std::optional<SelfTest> self_test;
};

/// What goes into a file. Pointers may be null but for `notes`.
struct SavedModel {
  const graph::Graph& graph;
  const CompileConfig* compile = nullptr;
  const TrainingState* training = nullptr;
  std::uint64_t seed = 0;
  const Metadata* notes = nullptr;
  const SelfTest* self_test = nullptr;

  /// Null for a model that was not compiled.
  const OptimizerDescription* optimizer_description() const { return compile != nullptr ? &compile->optimizer.description() : nullptr; }
  /// Null for a model that took no step.
  const OptimizerState* optimizer_state() const { return training != nullptr ? &training->optimizer : nullptr; }
};

/// The model in a file of any kind that linn reads: .keras (or its directory), a legacy .h5, ONNX, a directory that save_model wrote or its
/// model.safetensors, or a configuration (.json), whose weights are new. FormatError says what a file of another kind is.
ModelFile load_model(const std::string& path);
/// The end of the name decides: .keras, .h5, .onnx or .safetensors, and anything else is a directory of model.safetensors and config.json.
/// The old file stays until the new one is whole.
void save_model(const std::string& path, const SavedModel& model);

/// A whole number from 0 to 2^64 - 1.
std::uint64_t seed_from_text(const std::string& text, const std::string& where);

}  // namespace linn::detail::formats
