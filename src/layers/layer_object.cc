#include "layers/layer_object.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "layers/variables.h"
#include "linn/error.h"

namespace linn {
namespace detail {
namespace {

// Two sizes for an open axis, such that strided layers and polyphase sampling accept both.
constexpr std::int64_t probes[2] = {512, 640};

std::vector<Shape> shapes_of(std::span<const SymbolicTensor> values, Shape ProbedShape::*which) {
  std::vector<Shape> shapes;
  for (const SymbolicTensor& value : values) shapes.push_back(value.call()->outputs[static_cast<std::size_t>(value.output())].*which);
  return shapes;
}

}  // namespace

bool Variable::is_trainable() const { return trainable && layer->trainable; }

std::string LayerObject::place() const { return detail::layers::place_of(detail::layers::snake_case(class_name()), name); }

Shape ProbedShape::merged() const {
  std::vector<std::int64_t> sizes(first.begin(), first.end());
  for (std::size_t axis = 0; axis < sizes.size(); ++axis)
    if (sizes[axis] != second.begin()[axis]) sizes[axis] = Shape::none;
  return Shape(std::span<const std::int64_t>(sizes));
}

ProbedShape ProbedShape::of(const Shape& declared) {
  const auto with = [&](std::int64_t open) {
    std::vector<std::int64_t> sizes(declared.begin(), declared.end());
    std::replace(sizes.begin(), sizes.end(), Shape::none, open);
    return Shape(std::span<const std::int64_t>(sizes));
  };
  return {with(probes[0]), with(probes[1])};
}

namespace {

// Frees a call and what only it holds, without a recursion and without memory, as a destructor must: the calls above the one at hand are a list,
// linked by the last of their inputs, whose own value was gone into already.
void free_call(CallNodePtr call) noexcept {
  CallNodePtr above;
  for (;;) {
    if (call.use_count() == 1 && !call->inputs.empty()) {
      SymbolicTensor& last = const_cast<CallNode&>(*call).inputs.back();  // the last owner takes it apart
      CallNodePtr next = last.call();
      last = SymbolicTensor(std::move(above), 0);
      above = std::exchange(call, std::move(next));
      continue;
    }
    call.reset();
    while (above != nullptr && call == nullptr) {
      std::vector<SymbolicTensor>& inputs = const_cast<CallNode&>(*above).inputs;
      SymbolicTensor link = std::move(inputs.back());
      inputs.pop_back();
      if (inputs.empty()) {
        above = link.call();
      } else {
        call = inputs.back().call();
        inputs.back() = std::move(link);
      }
    }
    if (call == nullptr) return;
  }
}

}  // namespace

CallNode::~CallNode() {
  while (!inputs.empty()) {
    CallNodePtr call = inputs.back().call();
    inputs.pop_back();
    free_call(std::move(call));
  }
}

SymbolicTensor call_input(const LayerObjectPtr& input) {
  auto node = std::make_shared<CallNode>();
  node->layer = input;
  node->outputs = {ProbedShape::of(input->description->input_shape())};
  input->calls.push_back(node);
  return {node, 0};
}

std::vector<SymbolicTensor> call_layer(const LayerObjectPtr& layer, std::span<const SymbolicTensor> inputs, const CallOptions& options) {
  const std::string where = layer->place();
  if (is_input(*layer)) throw ValueError(fmt::format("{} is an input; it takes no values", where));
  if (inputs.empty()) throw ShapeError(fmt::format("{} was called without a value", where));
  auto node = std::make_shared<CallNode>();
  node->layer = layer;
  node->inputs.assign(inputs.begin(), inputs.end());
  node->options = options;
  const std::vector<Shape> first = layer->description->infer_shapes(shapes_of(inputs, &ProbedShape::first), where);
  const std::vector<Shape> second = layer->description->infer_shapes(shapes_of(inputs, &ProbedShape::second), where);
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].rank() != second[i].rank()) throw ShapeError(fmt::format("{} gives values whose number of axes depends on sizes that are left open", where));
    node->outputs.push_back({first[i], second[i]});
  }
  layer->calls.push_back(node);
  std::vector<SymbolicTensor> results;
  for (std::size_t i = 0; i < first.size(); ++i) results.emplace_back(node, static_cast<int>(i));
  return results;
}

std::vector<VariableSpec> variables_of_call(const CallNode& call) {
  if (call.inputs.empty()) return {};
  std::vector<VariableSpec> specs = call.layer->description->declare_variables(shapes_of(call.inputs, &ProbedShape::first));
  const std::vector<VariableSpec> others = call.layer->description->declare_variables(shapes_of(call.inputs, &ProbedShape::second));
  for (std::size_t i = 0; i < specs.size(); ++i)
    if (specs[i].shape != others.at(i).shape)
      throw ShapeError(fmt::format("{} the size of its {} depends on a height or width that is left open; give the Input all sizes, or pool over the whole map before",
                                   call.layer->place(), specs[i].name));
  return specs;
}

const std::shared_ptr<const LayerDescription>& description_of(const Layer& layer) { return layer.object()->description; }

}  // namespace detail

// ---- the public handles ------------------------------------------------------------------------------------------

Shape SymbolicTensor::shape() const { return call_->outputs[static_cast<std::size_t>(output_)].merged(); }
Layer SymbolicTensor::layer() const { return Layer(call_->layer); }

Layer::Layer(std::shared_ptr<const LayerDescription> description) : object_(std::make_shared<detail::LayerObject>(std::move(description))) {}

Layer::Layer(const SymbolicTensor& input) : object_(input.call()->layer) {
  if (!detail::is_input(*object_))
    throw ValueError(fmt::format("{} gave this value; where a layer is wanted, only an Input may stand as a value. Add the layer itself",
                                 object_->place()));
}

std::string_view Layer::class_name() const { return object_->class_name(); }
const std::string& Layer::name() const { return object_->name; }

std::string Layer::config() const {
  return detail::io::dump_json(object_->description->config(name().empty() ? detail::layers::snake_case(class_name()) : name()));
}

Shape Layer::compute_output_shape(const Shape& input) const { return object_->description->infer_shapes({&input, 1}, object_->place()).front(); }

std::vector<SymbolicTensor> Layer::call(const std::vector<SymbolicTensor>& inputs, CallOptions options) const {
  return detail::call_layer(object_, inputs, options);
}

SymbolicTensor Layer::operator()(const std::vector<SymbolicTensor>& inputs, CallOptions options) const {
  const std::vector<SymbolicTensor> outputs = call(inputs, options);
  if (outputs.size() != 1) throw StateError(fmt::format("{} has {} outputs; use call, which gives them all", object_->place(), outputs.size()));
  return outputs.front();
}

SymbolicTensor Layer::operator()(const SymbolicTensor& input, CallOptions options) const {
  return (*this)(std::vector<SymbolicTensor>{input}, options);
}

SymbolicTensor Layer::operator()(std::initializer_list<SymbolicTensor> inputs, CallOptions options) const {
  return (*this)(std::vector<SymbolicTensor>(inputs), options);
}

namespace {

detail::CallNodePtr only_call(const detail::LayerObject& layer, const char* what) {
  std::vector<detail::CallNodePtr> calls;
  for (const auto& weak : layer.calls)
    if (detail::CallNodePtr call = weak.lock()) calls.push_back(std::move(call));
  if (calls.size() != 1)
    throw StateError(fmt::format("{} {}: the layer was called {} times; there is one answer only after a single call", layer.place(), what, calls.size()));
  return calls.front();
}

void require_variables(const detail::LayerObject& layer, const char* call) {
  if (!layer.has_variables)
    throw StateError(fmt::format("{} {}: the layer has no variables yet; they are made when a model with it is built", layer.place(), call));
}

}  // namespace

SymbolicTensor Layer::input() const {
  const detail::CallNodePtr call = only_call(*object_, "input");
  if (call->inputs.size() != 1) throw StateError(fmt::format("{} input: the call took {} values", object_->place(), call->inputs.size()));
  return call->inputs.front();
}

SymbolicTensor Layer::output() const {
  const detail::CallNodePtr call = only_call(*object_, "output");
  if (call->outputs.size() != 1) throw StateError(fmt::format("{} output: the call gave {} values", object_->place(), call->outputs.size()));
  return {call, 0};
}

bool Layer::trainable() const { return object_->trainable; }

void Layer::set_trainable(bool trainable) {
  object_->trainable = trainable;
  object_->description->set_trainable(trainable);
}

std::vector<Tensor> Layer::get_weights() const {
  require_variables(*object_, "get_weights");
  std::vector<Tensor> weights;
  for (const detail::VariablePtr& variable : object_->variables) weights.push_back(variable->value.clone());
  return weights;
}

void Layer::set_weights(const std::vector<Tensor>& weights) {
  require_variables(*object_, "set_weights");
  std::vector<detail::NamedVariable> variables;
  for (const detail::VariablePtr& variable : object_->variables) variables.push_back({variable->name, variable});
  detail::set_values(variables, weights, "the layer", object_->place() + " set_weights");
}

std::int64_t Layer::count_params() const {
  require_variables(*object_, "count_params");
  std::int64_t total = 0;
  for (const detail::VariablePtr& variable : object_->variables) total += variable->shape.elements();
  return total;
}

}  // namespace linn
