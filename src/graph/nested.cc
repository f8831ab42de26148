#include "graph/nested.h"

#include <fmt/format.h>

#include "graph/config.h"
#include "linn/error.h"

namespace linn::graph {

io::Json NestedModel::config(const std::string& name) const { return config_of(graph_, name); }

void NestedModel::set_trainable(bool trainable) const {
  for (const Member& member : graph_.all_members()) Layer(member.layer).set_trainable(trainable);
}

std::vector<Shape> NestedModel::infer_shapes(std::span<const Shape> inputs, const std::string& where) const {
  const std::vector<Shape> wanted = graph_.input_shapes();
  if (inputs.size() != wanted.size()) throw ShapeError(fmt::format("{} takes {} inputs; {} came", where, wanted.size(), inputs.size()));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    bool fits = wanted[i].rank() == inputs[i].rank();
    for (std::size_t axis = 0; fits && axis < wanted[i].rank(); ++axis)
      fits = wanted[i].begin()[axis] == Shape::none || wanted[i].begin()[axis] == inputs[i].begin()[axis];
    if (!fits)
      throw ShapeError(fmt::format("{} takes inputs of shape {}; {} came", where, wanted[i].to_string(), inputs[i].to_string()));
  }
  return graph_.output_shapes_for(inputs);
}

std::vector<VariableSpec> NestedModel::declare_variables(std::span<const Shape> /*inputs*/) const {
  std::vector<VariableSpec> specs;
  for (const GraphVariable& variable : graph_.variables())
    specs.push_back({.name = variable.name, .shape = variable.shape(), .initializer = "zeros", .trainable = variable.variable->trainable});
  return specs;
}

std::vector<plan::Value> NestedModel::lower_call(plan::Lowering& to, std::span<const plan::Value> inputs,
                                                 std::span<const plan::Value> variables) const {
  return graph_.lower_with(to, inputs, {variables.begin(), variables.end()}, to.layer()).outputs;
}

LayerObjectPtr layer_of(const Graph& graph) {
  auto layer = std::make_shared<LayerObject>(std::make_shared<NestedModel>(graph));
  for (const GraphVariable& variable : graph.variables()) layer->variables.push_back(variable.variable);
  layer->has_variables = true;
  return layer;
}

const Graph* graph_in(const LayerObject& layer) {
  const auto* nested = dynamic_cast<const NestedModel*>(layer.description.get());
  return nested == nullptr ? nullptr : &nested->graph();
}

}  // namespace linn::graph
