#include "graph/graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "linn/error.h"
#include "optim/initializers.h"

namespace linn::graph {
namespace {

// 32 GiB of float32: a configuration beyond it is a mistake or an attack, and is refused before anything is allocated.
constexpr std::int64_t most_parameters = std::int64_t{1} << 33;

}  // namespace

std::string Graph::name_for(const layers::DescriptionPtr& layer) const {
  const auto taken = [&](std::string_view name) { return std::any_of(nodes_.begin(), nodes_.end(), [&](const Node& node) { return node.name == name; }); };
  for (const Node& node : nodes_)
    if (node.layer == layer)
      throw ValueError(fmt::format("{} was added to model \"{}\" before; make a second layer for a second use", layers::place_of(layers::snake_case(layer->class_name()), node.name), name_));
  if (!layer->name().empty()) {
    if (taken(layer->name()))
      throw ValueError(fmt::format("model \"{}\" has a layer named \"{}\" already; all layers of a model need unique names", name_, layer->name()));
    if (layer->name().find('/') != std::string::npos)
      throw ValueError(fmt::format("layer name \"{}\" holds a '/', which separates layer and variable; choose a name without it", layer->name()));
    return layer->name();
  }
  const std::string base = layers::snake_case(layer->class_name());
  std::string name = base;
  for (int number = 1; taken(name); ++number) name = fmt::format("{}_{}", base, number);
  return name;
}

void Graph::append(const layers::DescriptionPtr& layer, std::uint64_t seed) {
  Node node{.layer = layer, .name = name_for(layer), .input = static_cast<int>(nodes_.size()) - 1};
  if (built()) build_node(node, output_shape(), seed);
  nodes_.push_back(std::move(node));
}

void Graph::remove_last() {
  variables_.erase(variables_.end() - static_cast<std::ptrdiff_t>(nodes_.back().variables.size()), variables_.end());
  nodes_.pop_back();
}

void Graph::build_node(Node& node, const Shape& input, std::uint64_t seed) {
  const std::string where = layers::place_of(layers::snake_case(node.layer->class_name()), node.name);
  node.output = node.layer->infer_shapes({&input, 1}, where).front();
  const std::vector<VariableSpec> specs = node.layer->declare_variables({&input, 1});
  std::int64_t total = parameters(false);
  for (const VariableSpec& spec : specs) {
    total += spec.shape.elements();
    if (total > most_parameters || total < 0)
      throw MemoryError(fmt::format("{} brings the model to more than {} parameters ({} alone has shape {}); that is the most linn takes", where,
                                    most_parameters, spec.name, spec.shape.to_string()));
  }
  std::vector<Variable> made;
  for (const VariableSpec& spec : specs) {
    const auto stream = static_cast<std::uint64_t>(variables_.size() + made.size());
    made.push_back({.name = node.name + '/' + spec.name,
                    .trainable = node.layer->trainable() && spec.trainable,
                    .value = optim::initialize(spec.initializer, spec.shape, seed, stream)});
  }
  for (Variable& variable : made) {
    node.variables.push_back(static_cast<int>(variables_.size()));
    variables_.push_back(std::move(variable));
  }
}

void Graph::build(const Shape& input_shape, std::uint64_t seed) {
  if (input_shape.rank() == 0) throw ShapeError(fmt::format("model \"{}\": the shape of one image needs at least one axis, such as (28, 28, 1)", name_));
  for (const std::int64_t size : input_shape)
    if (size < 1) throw ShapeError(fmt::format("model \"{}\": input shape {}; every size must be 1 or more", name_, input_shape.to_string()));
  Graph next = *this;
  next.variables_.clear();
  Shape shape = input_shape;
  for (Node& node : next.nodes_) {
    node.variables.clear();
    next.build_node(node, shape, seed);
    shape = node.output;
  }
  next.input_shape_ = input_shape;
  *this = std::move(next);
}

std::int64_t Graph::parameters(bool trainable_only) const {
  std::int64_t total = 0;
  for (const Variable& variable : variables_)
    if (variable.trainable || !trainable_only) total += variable.value.elements();
  return total;
}

Lowered Graph::lower(plan::Lowering& to, plan::Value input) const {
  Lowered lowered{.input = input, .output = input, .variables = {}, .layers = {}};
  for (const Variable& variable : variables_)
    lowered.variables.push_back(to.value(variable.name, variable.value.shape(), plan::Extent::fixed, plan::Element::real, plan::Home::bound));
  for (const Node& node : nodes_) {
    std::vector<plan::Value> variables;
    for (const int index : node.variables) variables.push_back(lowered.variables[static_cast<std::size_t>(index)]);
    to.set_layer(node.name, node.layer->trainable());
    lowered.output = node.layer->lower_call(to, {&lowered.output, 1}, variables).front();
    lowered.layers.push_back(lowered.output);
  }
  return lowered;
}

}  // namespace linn::graph
