#include "formats/keras_optimizer.h"

#include <cstdint>
#include <limits>

#include "formats/training_state.h"

namespace linn::detail::formats {
namespace {

// NaN for what is no single number.
double number_in(const io::Hdf5Dataset& dataset) {
  if (!dataset.shape().empty() || dataset.is_text()) return std::numeric_limits<double>::quiet_NaN();
  return dataset.read().astype(DType::f64).values<double>()[0];
}

std::int64_t updates_of(std::int64_t steps, const OptimizerDescription& optimizer) { return steps / optimizer.around_update().every(); }

}  // namespace

std::optional<OptimizerState> optimizer_state(std::span<const io::Hdf5Dataset> stored, const graph::Graph& graph,
                                              const OptimizerDescription& optimizer) {
  const std::vector<TrainedVariable> variables = trained_variables(graph);
  const bool scheduled = optimizer.learning_rate().is_schedule();
  const std::size_t first = scheduled ? 1 : 2;
  const auto order = optim::slot_order(optimizer, variables);
  // What all variables have in common follows from the steps.
  if (stored.size() != first + order.size() + optimizer.common_state(0).size()) return std::nullopt;
  OptimizerState state;
  state.variables = variables;
  for (const TrainedVariable& variable : variables) state.slots.emplace_back(optimizer.slots(variable).size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto [variable, slot] = order[i];
    const io::Hdf5Dataset& dataset = stored[first + i];
    if (dataset.is_text() || dataset.shape() != optimizer.slots(variables[variable])[slot].shape) return std::nullopt;
    state.slots[variable][slot] = dataset.read().astype(DType::f32);
  }
  constexpr double most_steps = 9e15;
  const double steps = number_in(stored[0]);
  if (!(steps >= 0 && steps < most_steps)) return std::nullopt;
  state.steps = static_cast<std::int64_t>(steps);
  if (!scheduled) {
    const double rate = number_in(stored[1]);
    if (!(rate > 0)) return std::nullopt;
    if (static_cast<float>(rate) != static_cast<float>(optimizer.learning_rate().at(0, 1))) state.learning_rate = rate;
  }
  return state;
}

std::vector<Tensor> optimizer_variables(const OptimizerState& state, const OptimizerDescription& optimizer) {
  std::vector<Tensor> stored = {Tensor::from(std::vector{state.steps}, Shape{})};
  if (!optimizer.learning_rate().is_schedule())
    stored.push_back(Tensor::from(std::vector{static_cast<float>(state.learning_rate.value_or(optimizer.learning_rate().at(0, 1)))}, Shape{}));
  for (const auto& [variable, slot] : optim::slot_order(optimizer, state.variables)) {
    const bool is_unused = optimizer.slots(state.variables[variable])[slot].is_unused;
    stored.push_back(is_unused ? state.slots[variable][slot].astype(DType::i32) : state.slots[variable][slot]);
  }
  for (const double number : optimizer.common_state(updates_of(state.steps, optimizer)))
    stored.push_back(Tensor::from(std::vector{static_cast<float>(number)}, Shape{}));
  return stored;
}

}  // namespace linn::detail::formats
