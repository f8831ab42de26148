// What training needs to go on, beside the weights: how far the optimizer has come, and how far a fit has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "io/json.h"
#include "linn/formats.h"
#include "optim/optimizers.h"

namespace linn::detail::formats {

struct TrainingState {
  OptimizerState optimizer = {};
  /// Through the data, begun in the model's life: the number of the next shuffle.
  std::int64_t passes = 0;
  /// The place of the fit that is on, as train::FitLoop wrote it; null between fits.
  io::Json fit = nullptr;
  /// What belongs to `fit` and is no number: tensors by names of its choice.
  NamedTensors tensors = {};
};

/// The variables that training would change now, in the order of the graph.
std::vector<TrainedVariable> trained_variables(const graph::Graph& graph);

/// The metadata key of what is no tensor.
inline constexpr const char* training_key = "linn.training";
/// Whether a tensor of a file is training state, and no weight.
bool is_training_tensor(const std::string& name);

/// What goes into a safetensors file: the text for `training_key`, and tensors "linn.optimizer/VARIABLE/SLOT" and "linn.fit/NAME", which share
/// memory with the state.
std::string training_to_text(const TrainingState& state, const OptimizerDescription& optimizer);
NamedTensors training_tensors(const TrainingState& state, const OptimizerDescription& optimizer);
/// The way back, of the model's trainable variables. Takes its tensors out of `tensors`. Nothing where other layers were frozen when it was
/// trained than are now: the slots are of other variables then. FormatError for tensors that are missing or have another shape.
std::optional<TrainingState> take_training(NamedTensors& tensors, const std::string& text, const graph::Graph& graph,
                                           const OptimizerDescription& optimizer, const std::string& where);

/// A number that comes back to the bit: JSON has no NaN and no infinities, which are texts here.
io::Json exact_number(double value);
double exact_number_from(const io::Json& json, const std::string& where);

}  // namespace linn::detail::formats
