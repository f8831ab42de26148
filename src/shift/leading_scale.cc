#include "shift/leading_scale.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "layers/layer_object.h"
#include "shift/network.h"

namespace linn::shift {
namespace {

// No variable that training changes. A frozen layer may have one number a channel, but no matrix: that would mix channels.
bool stays_as_it_is(const NetworkCall& call) {
  const std::vector<detail::VariablePtr>& variables = call.outputs.front().call()->layer->variables;
  return std::all_of(variables.begin(), variables.end(), [](const detail::VariablePtr& variable) {
    return !variable->is_trainable() && (!variable->trainable || variable->shape.rank() <= 1);
  });
}

std::ptrdiff_t readers_of(const Network& network, Source source) {
  return std::count_if(network.calls.begin(), network.calls.end(), [&](const NetworkCall& call) {
    return std::find(call.inputs.begin(), call.inputs.end(), source) != call.inputs.end();
  });
}

// The last call of the chain; null if there is none.
const NetworkCall* last_of_chain(const Network& network) {
  const NetworkCall* last = nullptr;
  Source from;
  for (std::size_t i = 0; i < network.calls.size(); ++i) {
    const NetworkCall& call = network.calls[i];
    const bool chain = call.inputs.size() == 1 && call.inputs[0] == from && readers_of(network, from) == 1;
    if (!chain || !acts_on_cells(call.on) || call.layer->activation() != ActivationKind::linear || !stays_as_it_is(call)) break;
    last = &call;
    from = {i, 0};
  }
  return last;
}

// An open size is 1: each cell is computed by itself.
Shape closed(const Shape& shape) {
  std::vector<std::int64_t> sizes(shape.begin(), shape.end());
  std::replace(sizes.begin(), sizes.end(), Shape::none, std::int64_t{1});
  return Shape(sizes);
}

}  // namespace

std::optional<LeadingScale> leading_scale(const Model& model) {
  if (!model.built() || model.inputs().size() != 1) return std::nullopt;
  const Model one_output(model.inputs().front(), model.outputs().front());
  const FlatModel flat(one_output);
  const Network network = probed_network_of(*flat);
  const NetworkCall* last = last_of_chain(network);
  const Shape input = closed((*flat).input_shape());
  if (last == nullptr) return std::nullopt;
  const Model scaling = Model((*flat).input(), last->outputs.front()).with_input_shape(input);
  if (scaling.output_shape() != input) return std::nullopt;
  Tensor zeros_and_ones(input.with_first(2));
  const auto pixels = zeros_and_ones.values<float>();
  std::fill(pixels.begin() + static_cast<std::ptrdiff_t>(pixels.size() / 2), pixels.end(), 1.0F);
  const Tensor out = scaling.predict(zeros_and_ones);
  LeadingScale found{.layer = last->name, .scale = {}, .offset = {}};
  for (std::int64_t c = 0; c < input[-1]; ++c) {
    const double zero = static_cast<double>(out.values<float>()[static_cast<std::size_t>(c)]);
    found.scale.push_back(static_cast<double>(out.values<float>()[static_cast<std::size_t>(out.elements() / 2 + c)]) - zero);
    found.offset.push_back(zero);
  }
  return found;
}

}  // namespace linn::shift
