#include "shift/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "graph/nested.h"
#include "graph/order.h"
#include "linn/error.h"

namespace linn::shift {
namespace {

// Of one image; where sizes are open, the shape for one of the sizes that layers are probed with.
const Shape& probed_shape(const SymbolicTensor& value) { return value.call()->outputs[static_cast<std::size_t>(value.output())].first; }

NetworkCall call_of(const detail::CallNodePtr& node, std::vector<Source> inputs) {
  const detail::LayerObject& layer = *node->layer;
  NetworkCall call{.class_name = std::string(layer.class_name()),
                   .name = layer.name,
                   .layer = layer.description,
                   .on = {},
                   .config = layer.description->config(layer.name),
                   .inputs = std::move(inputs),
                   .input_shapes = {},
                   .output_shapes = {},
                   .outputs = {}};
  for (const SymbolicTensor& input : node->inputs) call.input_shapes.push_back(probed_shape(input));
  for (std::size_t i = 0; i < node->outputs.size(); ++i) {
    call.outputs.emplace_back(node, static_cast<int>(i));
    call.output_shapes.push_back(probed_shape(call.outputs.back()));
  }
  if (!layer.description->channels_first()) call.on = layer.description->on_map(call.input_shapes);
  return call;
}

void check_ends(const Model& model) {
  const std::size_t inputs = model.inputs().size(), outputs = model.outputs().size();
  if (inputs != 1 || outputs != 1)
    throw ShapeError(
        fmt::format("[shift] the model has {} inputs and {} outputs; one input of images and one output are needed", inputs, outputs));
}

void check_closed(const Model& model) {
  const Shape input = model.input_shape();
  if (std::find(input.begin(), input.end(), Shape::none) != input.end())
    throw ShapeError(fmt::format("[shift] the model takes {}, where a size is open; fix it with with_input_shape", input.to_string()));
}

// Whether the largest of several probabilities is taken on the way: of several places their sum over the classes is not 1.
bool takes_maximum(const OnMap& on) { return on.reduction == OnMap::maximum && (on.kind == OnMap::global || on.kind == OnMap::window); }

// The kind of a value, through calls that leave it as it came in.
ActivationKind kind_of(const Network& network, Source source, bool maximum) {
  if (source.call == Source::image) return ActivationKind::other;
  const NetworkCall& call = network.calls[source.call];
  const ActivationKind kind = call.layer->activation();
  if (kind == ActivationKind::softmax && maximum) return ActivationKind::other;
  if (kind != ActivationKind::unchanged) return kind;
  if (call.inputs.size() != 1) return ActivationKind::other;
  return kind_of(network, call.inputs.front(), maximum || takes_maximum(call.on));
}

}  // namespace

const Shape& Network::shape_of(Source source) const {
  return source.call == Source::image ? input_shape : calls[source.call].output_shapes[static_cast<std::size_t>(source.output)];
}

FlatModel::FlatModel(const Model& model) : model_(model) {
  if (!model.built()) return;
  const Layer layer = model.as_layer();
  const std::optional<detail::graph::FlatValues> values = detail::graph::flattened(*detail::graph::graph_in(*layer.object()));
  if (!values) return;
  flat_.emplace(values->inputs, values->outputs, ModelOptions{.name = model.name(), .dtype_policy = model.dtype_policy()});
  flat_->metadata() = model.metadata();
}

Network probed_network_of(const Model& model) {
  check_ends(model);
  const std::vector<SymbolicTensor> inputs = model.inputs(), outputs = model.outputs();
  const detail::graph::Order order = detail::graph::order_of(inputs, outputs, model.name());
  Network network{.calls = {}, .output = {}, .input_shape = model.input_shape()};
  std::map<const detail::CallNode*, std::size_t> places;
  const auto source_of = [&](const SymbolicTensor& value) {
    if (value == inputs.front()) return Source{};
    return Source{places.at(value.call().get()), value.output()};
  };
  for (const detail::CallNodePtr& node : order.calls) {
    if (node == inputs.front().call()) continue;  // what lies before the input is not part of the model
    std::vector<Source> sources;
    for (const SymbolicTensor& input : node->inputs) sources.push_back(source_of(input));
    places[node.get()] = network.calls.size();
    network.calls.push_back(call_of(node, std::move(sources)));
  }
  network.output = source_of(outputs.front());
  return network;
}

Network network_of(const Model& model) {
  check_ends(model);
  check_closed(model);
  return probed_network_of(model);
}

std::string about(const NetworkCall& call, std::string_view text) { return fmt::format("[{} '{}'] {}", call.class_name, call.name, text); }

bool gives_probabilities(const Model& model) {
  const FlatModel flat(model);
  const Network network = probed_network_of(*flat);
  const ActivationKind kind = kind_of(network, network.output, false);
  return kind == ActivationKind::sigmoid || kind == ActivationKind::softmax;
}

bool has_pads(const OnMap& on) { return on.pads != Pads2(); }

bool is_one_place(const Shape& shape) { return shape.rank() < 3 || (shape.rank() == 3 && shape[0] == 1 && shape[1] == 1); }

}  // namespace linn::shift
