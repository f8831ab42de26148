#include "graph/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "graph/nested.h"
#include "graph/order.h"
#include "linn/error.h"
#include "linn/layers/reshape.h"
#include "optim/constraints.h"
#include "optim/initializers.h"

namespace linn::detail::graph {
namespace {

using detail::Variable;

// 32 GiB of float32: a configuration beyond it is a mistake or an attack, and is refused before anything is allocated.
constexpr std::int64_t most_parameters = std::int64_t{1} << 33;

LayerObjectPtr input_layer(const Shape& shape, const std::string& name) { return InputLayer(shape, {.name = name}).object(); }

// "conv2d", "max_pooling2d"; a model's own name where it has one.
std::string default_name(const LayerObject& layer) { return layers::snake_case(layer.class_name()); }

// ---- variables ---------------------------------------------------------------------------------------------------

// The variables of all layers of a graph that is being connected: found, checked, and, at the end, made.
class VariableMaker {
 public:
  /// `parameters` are in the model already.
  VariableMaker(const std::string& model, bool fresh, std::int64_t parameters) : model_(model), fresh_(fresh), total_(parameters) {}

  // All calls of a layer must want the same.
  void add(const Member& member, const std::vector<CallNodePtr>& calls) {
    std::vector<VariableSpec> wanted = detail::variables_of_call(*calls.front());
    for (std::size_t i = 1; i < calls.size(); ++i) compare(member, wanted, detail::variables_of_call(*calls[i]));
    if (keeps(*member.layer))
      check_existing(member, wanted);
    else
      check_initializers(member, wanted);
    check_constraints(member, wanted);
    count(member, wanted);
    wanted_.push_back(std::move(wanted));
  }

  std::int64_t parameters() const { return total_; }

  void throw_problems() const {
    if (!problems_.empty())
      throw ShapeError(fmt::format("the weights do not fit model \"{}\", which was left as it was: {}", model_, fmt::join(problems_, "; ")));
  }

  // Gives each layer its variables; those that are made now draw their first values by their number in the graph.
  // `members` are those that were added; `places` has the variables that are there.
  void make(FirstValues seed, std::span<Member> members, std::vector<GraphVariable>& variables, std::unordered_map<const Variable*, int>& places) const {
    for (std::size_t m = 0; m < wanted_.size(); ++m) {
      LayerObject& layer = *members[m].layer;
      if (!keeps(layer)) make_for(layer, wanted_[m], seed, static_cast<std::uint64_t>(variables.size()));
      for (std::size_t i = 0; i < layer.variables.size(); ++i) {
        const auto [found, is_new] = places.try_emplace(layer.variables[i].get(), static_cast<int>(variables.size()));
        if (is_new) variables.push_back({nested_name(members[m].name, wanted_[m][i].name), layer.variables[i]});
        members[m].variables.push_back(found->second);
      }
    }
  }

 private:
  bool keeps(const LayerObject& layer) const { return layer.has_variables && (!fresh_ || graph_in(layer) != nullptr); }

  static void make_for(LayerObject& layer, const std::vector<VariableSpec>& specs, FirstValues seed, std::uint64_t stream) {
    layer.variables.clear();
    for (const VariableSpec& spec : specs) {
      Variable variable{.name = spec.name, .shape = spec.shape, .trainable = spec.trainable, .layer = &layer};
      variable.regularizer = spec.regularizer;
      variable.constraint = spec.constraint;
      if (seed) variable.value = optim::initialize(spec.initializer, spec.shape, *seed, stream++);
      layer.variables.push_back(std::make_shared<Variable>(std::move(variable)));
    }
    layer.has_variables = true;
  }

  static void compare(const Member& member, const std::vector<VariableSpec>& first, const std::vector<VariableSpec>& other) {
    for (std::size_t i = 0; i < first.size(); ++i)
      if (first[i].shape != other[i].shape)
        throw ShapeError(fmt::format("[{} '{}'] is called on inputs that want different variables: {} of shape {} and {}; give each its own layer",
                                     default_name(*member.layer), member.name, first[i].name, first[i].shape.to_string(), other[i].shape.to_string()));
  }

  void check_existing(const Member& member, const std::vector<VariableSpec>& specs) {
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const Shape& has = member.layer->variables[i]->shape;
      if (has != specs[i].shape)
        problems_.push_back(
            fmt::format("\"{}/{}\" has shape {}, the model wants {}", member.name, specs[i].name, has.to_string(), specs[i].shape.to_string()));
    }
  }

  static void check_constraints(const Member& member, const std::vector<VariableSpec>& specs) {
    for (const VariableSpec& spec : specs) {
      if (spec.regularizer.orthogonal() && spec.shape.rank() != 2)
        throw ValueError(fmt::format("[{} '{}'] {} has shape {}; an OrthogonalRegularizer is for variables of 2 axes",
                                     default_name(*member.layer), member.name, spec.name, spec.shape.to_string()));
      if (!spec.constraint.defined()) continue;
      if (const std::string fault = spec.constraint.description().fault(spec.shape); !fault.empty())
        throw ValueError(fmt::format("[{} '{}'] {} has shape {}, which constraint {} does not fit: {}", default_name(*member.layer),
                                     member.name, spec.name, spec.shape.to_string(), spec.constraint.class_name(), fault));
    }
  }

  static void check_initializers(const Member& member, const std::vector<VariableSpec>& specs) {
    for (const VariableSpec& spec : specs)
      if (const std::string fault = spec.initializer.description().fault(spec.shape); !fault.empty())
        throw ValueError(fmt::format("[{} '{}'] {} has shape {}, which initializer {} cannot make: {}", default_name(*member.layer), member.name, spec.name,
                                     spec.shape.to_string(), spec.initializer.class_name(), fault));
  }

  void count(const Member& member, const std::vector<VariableSpec>& specs) {
    for (const VariableSpec& spec : specs) {
      total_ += spec.shape.elements();
      if (total_ > most_parameters || total_ < 0)
        throw MemoryError(fmt::format("[{} '{}'] brings the model to more than {} parameters ({} alone has shape {}); that is the most linn takes",
                                      default_name(*member.layer), member.name, most_parameters, spec.name, spec.shape.to_string()));
    }
  }

  const std::string& model_;
  bool fresh_;
  std::int64_t total_;
  std::vector<std::vector<VariableSpec>> wanted_;  // of each member
  std::vector<std::string> problems_;
};

// ---- copies ------------------------------------------------------------------------------------------------------

// A layer of the same description, with variables of its own that hold the same values.
LayerObjectPtr copy_of(const LayerObject& layer) {
  if (const Graph* graph = graph_in(layer)) {
    LayerObjectPtr copy = layer_of(graph->clone());
    copy->name = layer.name;
    copy->trainable = layer.trainable;
    return copy;
  }
  auto copy = std::make_shared<LayerObject>(layer.description);
  copy->name = layer.name;
  copy->trainable = layer.trainable;
  copy->has_variables = layer.has_variables;
  for (const VariablePtr& variable : layer.variables) {
    auto next = std::make_shared<Variable>(*variable);
    next->layer = copy.get();
    next->value = variable->value.clone();
    copy->variables.push_back(std::move(next));
  }
  return copy;
}

}  // namespace

std::string nested_name(const std::string& prefix, const std::string& name) { return prefix.empty() ? name : prefix + '/' + name; }

// ---- names -------------------------------------------------------------------------------------------------------

std::string Graph::free_name(const LayerObject& layer) {
  const std::string base = default_name(layer);
  const auto name_of = [&](int number) { return number == 0 ? base : fmt::format("{}_{}", base, number); };
  int& number = index_.numbers[base];
  while (index_.names.contains(name_of(number))) ++number;
  return name_of(number);
}

void Graph::check_new(const LayerObject& layer) const {
  if (index_.layers.contains(&layer) || index_.layers.contains(layer.description.get())) {
    const auto same = std::find_if(members_.begin(), members_.end(), [&](const Member& member) { return member.layer->description == layer.description; });
    throw ValueError(fmt::format("[{} '{}'] was added to model \"{}\" before; make a second layer for a second use", default_name(layer), same->name, name_));
  }
  if (!layer.name.empty() && index_.names.contains(layer.name))
    throw ValueError(fmt::format("model \"{}\" has a layer named \"{}\" already; all layers of a model need unique names", name_, layer.name));
  if (layer.name.find('/') != std::string::npos)
    throw ValueError(fmt::format("layer name \"{}\" holds a '/', which separates layer and variable; choose a name without it", layer.name));
}

void Graph::add_member(const LayerObjectPtr& layer) {
  members_.push_back({.layer = layer, .name = layer->name});
  index_.layers.insert(layer.get());
  if (!detail::is_input(*layer)) index_.layers.insert(layer->description.get());
  if (!layer->name.empty()) index_.names.insert(layer->name);
}

// ---- building ----------------------------------------------------------------------------------------------------

Graph Graph::functional(std::string name, std::span<const SymbolicTensor> inputs, std::span<const SymbolicTensor> outputs, FirstValues seed) {
  Graph graph(std::move(name));
  graph.chain_ = false;
  const std::string& model = graph.name_;
  if (inputs.empty() || outputs.empty()) throw ValueError(fmt::format("model \"{}\" needs at least one input and one output", model));
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (std::find(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(i), inputs[i]) != inputs.begin() + static_cast<std::ptrdiff_t>(i))
      throw ValueError(fmt::format("model \"{}\": {} is given as an input twice", model, inputs[i].call()->layer->place()));
  const bool all_inputs = std::all_of(inputs.begin(), inputs.end(), [](const SymbolicTensor& input) { return detail::is_input(*input.call()->layer); });
  if (all_inputs) {
    graph.connect(inputs, outputs, seed, false);
    return graph;
  }
  // An input in the middle of another network: an Input of its shape takes its place, and what lies behind is called again.
  std::map<std::pair<const detail::CallNode*, int>, SymbolicTensor> values;
  std::vector<SymbolicTensor> new_inputs, new_outputs;
  for (const SymbolicTensor& input : inputs) {
    const bool is_input = detail::is_input(*input.call()->layer);
    new_inputs.push_back(is_input ? input : detail::call_input(input_layer(input.shape(), {})));
    values.insert_or_assign({input.call().get(), input.output()}, new_inputs.back());
  }
  for (const CallNodePtr& call : order_of(inputs, outputs, model).calls) {
    if (values.contains({call.get(), 0}) || call->inputs.empty()) continue;
    std::vector<SymbolicTensor> reads;
    for (const SymbolicTensor& input : call->inputs) reads.push_back(values.at({input.call().get(), input.output()}));
    for (const SymbolicTensor& output : detail::call_layer(call->layer, reads, call->options)) values.insert_or_assign({call.get(), output.output()}, output);
  }
  for (const SymbolicTensor& output : outputs) new_outputs.push_back(values.at({output.call().get(), output.output()}));
  graph.connect(new_inputs, new_outputs, seed, false);
  return graph;
}

void Graph::connect(std::span<const SymbolicTensor> inputs, std::span<const SymbolicTensor> outputs, FirstValues seed, bool fresh) {
  const Order order = order_of(inputs, outputs, name_);
  Graph next(name_);
  next.chain_ = chain_;
  std::unordered_map<const LayerObject*, int> member_numbers;
  for (const LayerObjectPtr& layer : order.layers) {
    next.check_new(*layer);
    member_numbers[layer.get()] = static_cast<int>(next.members_.size());
    next.add_member(layer);
  }
  std::unordered_map<const detail::CallNode*, int> call_numbers;
  for (const CallNodePtr& node : order.calls) {
    Call call{.node = node, .layer = member_numbers.at(node->layer.get())};
    for (const SymbolicTensor& input : node->inputs) call.inputs.push_back({call_numbers.at(input.call().get()), input.output()});
    for (const detail::ProbedShape& shape : node->outputs) call.outputs.push_back(shape.merged());
    call_numbers[node.get()] = static_cast<int>(next.calls_.size());
    next.calls_.push_back(std::move(call));
    // Names without a given one count in the order of the calls.
    Member& member = next.members_[static_cast<std::size_t>(next.calls_.back().layer)];
    if (!member.name.empty()) continue;
    member.name = next.free_name(*member.layer);
    next.index_.names.insert(member.name);
  }
  for (Member& member : next.members_)
    for (const auto& weak : member.layer->calls)
      if (const auto found = call_numbers.find(weak.lock().get()); found != call_numbers.end()) member.calls.push_back(found->second);
  for (const SymbolicTensor& input : inputs) next.inputs_.push_back({call_numbers.at(input.call().get()), input.output()});
  for (const SymbolicTensor& output : outputs) next.outputs_.push_back({call_numbers.at(output.call().get()), output.output()});

  VariableMaker variables(name_, fresh, 0);
  for (const Member& member : next.members_) {
    std::vector<CallNodePtr> nodes;
    for (const int call : member.calls) nodes.push_back(next.calls_[static_cast<std::size_t>(call)].node);
    variables.add(member, nodes);
  }
  variables.throw_problems();
  variables.make(seed, next.members_, next.variables_, next.index_.variables);
  next.index_.parameters = variables.parameters();
  for (const Member& member : next.members_) member.layer->name = member.name;
  *this = std::move(next);
}

// ---- chains ------------------------------------------------------------------------------------------------------

std::span<const Member> Graph::members() const {
  const std::span<const Member> all(members_);
  return chain_ && built() ? all.subspan(1) : all;
}

void Graph::append(const LayerObjectPtr& layer, FirstValues seed) {
  check_new(*layer);
  const std::string before = layer->name;
  if (layer->name.empty()) layer->name = free_name(*layer);
  if (!built()) return add_member(layer);
  try {
    connect_last(layer, seed);
  } catch (...) {
    layer->name = before;
    throw;
  }
}

// What `connect` would make of the longer chain, from what there is. Whatever may throw comes before the graph changes.
void Graph::connect_last(const LayerObjectPtr& layer, FirstValues seed) {
  const SymbolicTensor tail = symbol_of(outputs_.front());
  const std::vector<SymbolicTensor> next = detail::call_layer(layer, {&tail, 1});
  if (next.size() != 1) throw ValueError(fmt::format("{} has {} outputs; a Sequential takes layers with one", layer->place(), next.size()));
  const CallNodePtr& node = next.front().call();
  VariableMaker variables(name_, false, index_.parameters);
  variables.add({.layer = layer, .name = layer->name}, {node});
  variables.throw_problems();

  Call call{.node = node, .layer = static_cast<int>(members_.size()), .inputs = {outputs_.front()}};
  for (const detail::ProbedShape& shape : node->outputs) call.outputs.push_back(shape.merged());
  add_member(layer);
  members_.back().calls = {static_cast<int>(calls_.size())};
  outputs_ = {{static_cast<int>(calls_.size()), next.front().output()}};
  calls_.push_back(std::move(call));
  variables.make(seed, {&members_.back(), 1}, variables_, index_.variables);
  index_.parameters = variables.parameters();
}

void Graph::remove_last() {
  if (!built()) {
    index_.names.erase(members_.back().name);
    index_.layers.erase(members_.back().layer.get());
    index_.layers.erase(members_.back().layer->description.get());
    index_.numbers.clear();
    members_.pop_back();
    return;
  }
  const CallNodePtr last = calls_[static_cast<std::size_t>(outputs_.front().call)].node;
  const SymbolicTensor head = symbol_of(inputs_.front());
  connect({&head, 1}, last->inputs, 0, false);
}

void Graph::build(const Shape& input_shape, FirstValues seed) {
  if (input_shape.rank() == 0) throw ShapeError(fmt::format("model \"{}\": the shape of one image needs at least one axis, such as (28, 28, 1)", name_));
  for (const std::int64_t size : input_shape)
    if (size < 1 && size != Shape::none)
      throw ShapeError(fmt::format("model \"{}\": input shape {}; every size must be 1 or more", name_, input_shape.to_string()));
  build_behind(input_layer(input_shape, built() ? members_.front().name : ""), seed);
}

void Graph::build_behind(const LayerObjectPtr& input, FirstValues seed) {
  const SymbolicTensor head = detail::call_input(input);
  SymbolicTensor tail = head;
  for (const Member& member : members()) {
    const std::vector<SymbolicTensor> next = detail::call_layer(member.layer, {&tail, 1});
    if (next.size() != 1) throw ValueError(fmt::format("{} has {} outputs; a Sequential takes layers with one", member.layer->place(), next.size()));
    tail = next.front();
  }
  connect({&head, 1}, {&tail, 1}, seed, built());
}

// ---- looking at it -----------------------------------------------------------------------------------------------

namespace {

template <class Take>
auto each(const std::vector<Port>& ports, Take take) {
  std::vector<std::decay_t<decltype(take(Port{}))>> result;
  for (const Port port : ports) result.push_back(take(port));
  return result;
}

}  // namespace

std::vector<Shape> Graph::input_shapes() const {
  return each(inputs_, [&](Port port) { return shape_of(port); });
}
std::vector<Shape> Graph::output_shapes() const {
  return each(outputs_, [&](Port port) { return shape_of(port); });
}
std::vector<std::string> Graph::input_names() const {
  return each(inputs_, [&](Port port) { return member_of(port).name; });
}
std::vector<std::string> Graph::output_names() const {
  return each(outputs_, [&](Port port) { return member_of(port).name; });
}

bool Graph::has_open_sizes() const {
  return std::any_of(inputs_.begin(), inputs_.end(), [&](Port port) {
    const Shape& shape = shape_of(port);
    return std::find(shape.begin(), shape.end(), Shape::none) != shape.end();
  });
}

std::vector<std::vector<Shape>> Graph::shapes_for(std::span<const Shape> inputs) const {
  std::vector<std::vector<Shape>> shapes(calls_.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) shapes[static_cast<std::size_t>(inputs_[i].call)] = {inputs[i]};
  for (std::size_t c = 0; c < calls_.size(); ++c) {
    const Call& call = calls_[c];
    if (call.inputs.empty()) continue;
    std::vector<Shape> reads;
    for (const Port port : call.inputs) reads.push_back(shapes[static_cast<std::size_t>(port.call)][static_cast<std::size_t>(port.output)]);
    shapes[c] = call.node->layer->description->infer_shapes(reads, call.node->layer->place());
  }
  return shapes;
}

std::vector<Shape> Graph::output_shapes_for(std::span<const Shape> inputs) const {
  const std::vector<std::vector<Shape>> shapes = shapes_for(inputs);
  return each(outputs_, [&](Port port) { return shapes[static_cast<std::size_t>(port.call)][static_cast<std::size_t>(port.output)]; });
}

void Graph::touch_values() {
  for (const GraphVariable& variable : variables_) ++variable.variable->version;
}

std::uint64_t Graph::version() const {
  std::uint64_t total = 0;
  for (const GraphVariable& variable : variables_) total += variable.variable->version;
  return total;
}

std::int64_t Graph::parameters(bool trainable_only) const {
  std::int64_t total = 0;
  for (const GraphVariable& variable : variables_)
    if (variable.trainable() || !trainable_only) total += variable.shape().elements();
  return total;
}

std::set<const void*> Graph::frozen_layers() const {
  std::set<const void*> frozen;
  for (const Member& member : members_) {
    if (!member.layer->trainable) frozen.insert(member.layer.get());
    if (const Graph* inner = graph_in(*member.layer)) frozen.merge(inner->frozen_layers());
  }
  return frozen;
}

Graph Graph::clone() const { return clone_for(input_shapes()); }

Graph Graph::clone_for(std::span<const Shape> shapes) const {
  const std::vector<SymbolicTensor> inputs = built() ? new_inputs(shapes) : std::vector<SymbolicTensor>();
  return copy_on(inputs, inputs);
}

Graph Graph::clone_behind(const LayerObjectPtr& layer) const {
  const std::vector<SymbolicTensor> inputs = new_inputs(input_shapes());
  return copy_on(inputs, detail::call_layer(layer, inputs));
}

std::vector<SymbolicTensor> Graph::new_inputs(std::span<const Shape> shapes) const {
  std::vector<SymbolicTensor> inputs;
  for (std::size_t i = 0; i < inputs_.size(); ++i) inputs.push_back(detail::call_input(input_layer(shapes[i], member_of(inputs_[i]).name)));
  return inputs;
}

Graph Graph::copy_on(std::span<const SymbolicTensor> inputs, std::span<const SymbolicTensor> heads) const {
  Graph copy(name_);
  copy.chain_ = chain_;
  if (!built()) {
    for (const Member& member : members_) copy.add_member(copy_of(*member.layer));
    return copy;
  }
  std::vector<LayerObjectPtr> layers;
  for (const Member& member : members_) layers.push_back(detail::is_input(*member.layer) ? nullptr : copy_of(*member.layer));
  std::vector<std::vector<SymbolicTensor>> values(calls_.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) values[static_cast<std::size_t>(inputs_[i].call)] = {heads[i]};
  for (std::size_t c = 0; c < calls_.size(); ++c) {
    if (calls_[c].inputs.empty()) continue;
    std::vector<SymbolicTensor> reads;
    for (const Port port : calls_[c].inputs) reads.push_back(values[static_cast<std::size_t>(port.call)][static_cast<std::size_t>(port.output)]);
    values[c] = detail::call_layer(layers[static_cast<std::size_t>(calls_[c].layer)], reads, calls_[c].node->options);
  }
  std::vector<SymbolicTensor> outputs;
  for (const Port port : outputs_) outputs.push_back(values[static_cast<std::size_t>(port.call)][static_cast<std::size_t>(port.output)]);
  copy.connect(inputs, outputs, 0, false);
  return copy;
}

// ---- lowering ----------------------------------------------------------------------------------------------------

Lowered Graph::lower(plan::Lowering& to, std::span<const plan::Value> inputs) const {
  std::vector<plan::Value> variables;
  for (const GraphVariable& variable : variables_)
    variables.push_back(to.value(variable.name, variable.shape(), plan::Extent::fixed, plan::Element::real, plan::Home::bound));
  return lower_with(to, inputs, std::move(variables), {});
}

Lowered Graph::lower_with(plan::Lowering& to, std::span<const plan::Value> inputs, std::vector<plan::Value> variables,
                          const std::string& layer_prefix) const {
  Lowered lowered{.inputs = {inputs.begin(), inputs.end()}, .outputs = {}, .variables = std::move(variables), .calls = {}};
  lowered.calls.resize(calls_.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) lowered.calls[static_cast<std::size_t>(inputs_[i].call)] = {inputs[i]};
  const bool inference = to.inference_call();
  const auto value_at = [&](Port port) { return lowered.calls[static_cast<std::size_t>(port.call)][static_cast<std::size_t>(port.output)]; };
  for (std::size_t c = 0; c < calls_.size(); ++c) {
    const Call& call = calls_[c];
    if (call.inputs.empty()) continue;
    const Member& member = members_[static_cast<std::size_t>(call.layer)];
    std::vector<plan::Value> reads, own;
    for (const Port port : call.inputs) reads.push_back(value_at(port));
    for (const int index : member.variables) own.push_back(lowered.variables[static_cast<std::size_t>(index)]);
    const auto& frozen = to.frozen_layers();
    to.set_layer(nested_name(layer_prefix, member.name), frozen ? !frozen->contains(member.layer.get()) : member.layer->trainable);
    to.set_inference_call(inference || !call.node->options.training);
    lowered.calls[c] = member.layer->description->lower_call(to, reads, own);
  }
  to.set_inference_call(inference);
  for (const Port port : outputs_) lowered.outputs.push_back(value_at(port));
  return lowered;
}

}  // namespace linn::detail::graph
