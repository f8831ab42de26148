#include "graph/nested.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "graph/config.h"
#include "linn/error.h"
#include "linn/layers/reshape.h"

namespace linn::detail::graph {

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

namespace {

class Flattening {
 public:
  explicit Flattening(const Graph& graph) {
    for (const Member& member : graph.all_members()) taken_.insert(member.name);
  }

  // `model`: the name of the inner model that the graph is; empty for the outermost graph, whose layers keep their names.
  std::vector<SymbolicTensor> call(const Graph& graph, std::span<const SymbolicTensor> inputs, const std::string& model) {
    std::vector<std::vector<SymbolicTensor>> values(graph.calls().size());
    const auto at = [&](const Port port) { return values[static_cast<std::size_t>(port.call)][static_cast<std::size_t>(port.output)]; };
    for (std::size_t i = 0; i < inputs.size(); ++i) values[static_cast<std::size_t>(graph.inputs()[i].call)] = {inputs[i]};
    for (std::size_t c = 0; c < graph.calls().size(); ++c) {
      const Call& call = graph.calls()[c];
      if (call.inputs.empty()) continue;
      std::vector<SymbolicTensor> reads;
      for (const Port port : call.inputs) reads.push_back(at(port));
      const Member& member = graph.all_members()[static_cast<std::size_t>(call.layer)];
      const Graph* inner = graph_in(*member.layer);
      values[c] = inner != nullptr ? this->call(*inner, reads, member.name) : detail::call_layer(copy_of(member, model), reads, call.node->options);
    }
    std::vector<SymbolicTensor> outputs;
    for (const Port port : graph.outputs()) outputs.push_back(at(port));
    return outputs;
  }

 private:
  // One for all calls of a layer.
  LayerObjectPtr copy_of(const Member& member, const std::string& model) {
    LayerObjectPtr& copy = copies_[member.layer.get()];
    if (copy != nullptr) return copy;
    copy = std::make_shared<LayerObject>(member.layer->description);
    copy->trainable = member.layer->trainable;
    copy->has_variables = member.layer->has_variables;
    copy->variables = member.layer->variables;
    copy->name = model.empty() ? member.name : free_name(member.name, model);
    return copy;
  }

  std::string free_name(const std::string& name, const std::string& model) {
    std::string free = name;
    for (int i = 1; !taken_.insert(free).second; ++i) free = i == 1 ? fmt::format("{}_{}", model, name) : fmt::format("{}_{}_{}", model, name, i);
    return free;
  }

  std::set<std::string> taken_;
  std::map<const LayerObject*, LayerObjectPtr> copies_;
};

}  // namespace

std::optional<FlatValues> flattened(const Graph& graph) {
  const std::span<const Member> members = graph.members();
  if (std::none_of(members.begin(), members.end(), [](const Member& member) { return graph_in(*member.layer) != nullptr; })) return std::nullopt;
  FlatValues flat;
  const std::vector<std::string> names = graph.input_names();
  for (std::size_t i = 0; i < names.size(); ++i) flat.inputs.push_back(detail::call_input(InputLayer(graph.input_shapes()[i], {.name = names[i]}).object()));
  flat.outputs = Flattening(graph).call(graph, flat.inputs, {});
  return flat;
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

}  // namespace linn::detail::graph
