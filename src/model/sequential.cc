// Sequential: a model that grows at its end.
#include <fmt/format.h>

#include "linn/error.h"
#include "model/state.h"

namespace linn {

Sequential::Sequential(const ModelOptions& options)
    : Model(std::make_unique<State>(detail::graph::Graph(options.name.empty() ? "sequential" : options.name), options)) {}

Sequential::Sequential(const std::vector<Layer>& layers, const ModelOptions& options) : Sequential(options) {
  for (const Layer& layer : layers) add(layer);
}

Sequential::Sequential(Model&& model) : Model(std::move(model)) {
  if (!state_->graph.is_chain())
    throw ValueError(fmt::format("model \"{}\" has branches or several inputs and outputs, so it is no Sequential; use linn::Model", name()));
}

void Sequential::add(const Layer& layer) {
  detail::graph::Graph& graph = state_->graph;
  const LayerDescription& description = *detail::description_of(layer);
  if (detail::is_input(*layer.object())) {
    if (!graph.members().empty() || graph.built()) throw ValueError(fmt::format("model \"{}\" has layers already; an Input can only come first", graph.name()));
    graph.build_behind(layer.object(), state_->seed);
    return;
  }
  const bool first = graph.members().empty() && !graph.built();
  graph.append(layer.object(), state_->seed);
  if (first && !description.input_shape().empty()) {
    try {
      graph.build(description.input_shape(), state_->seed);
    } catch (...) {
      graph.remove_last();
      throw;
    }
  }
  state_->forget();
}

void Sequential::pop() {
  if (state_->graph.members().empty()) throw ValueError(fmt::format("pop: model \"{}\" has no layers", name()));
  state_->graph.remove_last();
  state_->forget();
}

void Sequential::build(const Shape& input_shape) {
  state_->graph.build(input_shape, state_->seed);
  state_->forget();
}

}  // namespace linn
