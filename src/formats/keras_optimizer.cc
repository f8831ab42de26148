#include "formats/keras_optimizer.h"

#include <cstdint>
#include <limits>

namespace linn::detail::formats {
namespace {

std::vector<Shape> trained_shapes(const graph::Graph& graph) {
  std::vector<Shape> shapes;
  for (const graph::GraphVariable& variable : graph.variables())
    if (variable.trainable()) shapes.push_back(variable.shape());
  return shapes;
}

// NaN for what is no single number.
double number_in(const io::Hdf5Dataset& dataset) {
  if (!dataset.shape().empty() || dataset.is_text()) return std::numeric_limits<double>::quiet_NaN();
  return dataset.read().astype(DType::f64).values<double>()[0];
}

}  // namespace

std::optional<OptimizerState> optimizer_state(std::span<const io::Hdf5Dataset> stored, const graph::Graph& graph,
                                              const OptimizerDescription& optimizer) {
  const std::vector<Shape> shapes = trained_shapes(graph);
  const bool scheduled = optimizer.learning_rate().is_schedule();
  const std::size_t first = scheduled ? 1 : 2;
  const auto order = optim::slot_order(optimizer, shapes.size());
  if (stored.size() != first + order.size()) return std::nullopt;
  for (std::size_t i = 0; i < order.size(); ++i)
    if (stored[first + i].is_text() || stored[first + i].shape() != shapes[order[i].first]) return std::nullopt;
  OptimizerState state;
  constexpr double most_steps = 9e15;
  const double steps = number_in(stored[0]);
  if (!(steps >= 0 && steps < most_steps)) return std::nullopt;
  state.steps = static_cast<std::int64_t>(steps);
  if (!scheduled) {
    const double rate = number_in(stored[1]);
    if (!(rate > 0)) return std::nullopt;
    if (static_cast<float>(rate) != static_cast<float>(optimizer.learning_rate().at(0, 1))) state.learning_rate = rate;
  }
  state.slots.assign(shapes.size(), std::vector<Tensor>(optimizer.slots(Shape{}).size()));
  for (std::size_t i = 0; i < order.size(); ++i) state.slots[order[i].first][order[i].second] = stored[first + i].read().astype(DType::f32);
  return state;
}

std::vector<Tensor> optimizer_variables(const OptimizerState& state, const OptimizerDescription& optimizer) {
  std::vector<Tensor> variables = {Tensor::from(std::vector{state.steps}, Shape{})};
  if (!optimizer.learning_rate().is_schedule())
    variables.push_back(
        Tensor::from(std::vector{static_cast<float>(state.learning_rate.value_or(optimizer.learning_rate().at(0, 1)))}, Shape{}));
  for (const auto& [variable, slot] : optim::slot_order(optimizer, state.slots.size())) variables.push_back(state.slots[variable][slot]);
  return variables;
}

}  // namespace linn::detail::formats
