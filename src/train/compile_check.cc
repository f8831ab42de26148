#include "train/compile_check.h"

#include <fmt/format.h>

#include "graph/nested.h"
#include "layers/traits.h"
#include "linn/error.h"
#include "optim/losses.h"
#include "optim/metrics.h"

namespace linn::detail::train {
namespace {

using layers::ActivationKind;
using losses::Probabilities;

/// What the numbers of an output are, and the layer that makes them so.
struct Ending {
  ActivationKind kind = ActivationKind::other;
  std::string layer;
  std::int64_t width = 0;  // of its rows
};

// Layers that leave the kind of their numbers as it is are passed; models inside the model are entered.
Ending ending_of(const graph::Graph& graph, graph::Port port) {
  const graph::Call& call = graph.calls()[static_cast<std::size_t>(port.call)];
  if (call.inputs.empty()) return {};
  if (const graph::Graph* inner = graph::graph_in(*call.node->layer))
    return ending_of(*inner, inner->outputs()[static_cast<std::size_t>(port.output)]);
  const ActivationKind kind = call.node->layer->description->activation();
  if (kind != ActivationKind::unchanged) return {kind, graph.member_of(port).name, graph.shape_of(port)[-1]};
  return call.inputs.size() == 1 ? ending_of(graph, call.inputs.front()) : Ending{};
}

std::string_view text_of(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::sigmoid: return "a sigmoid";
    case ActivationKind::softmax: return "a softmax";
    case ActivationKind::linear: return "no activation";
    case ActivationKind::relu: return "a relu";
    case ActivationKind::log_sigmoid: return "a log_sigmoid";
    case ActivationKind::log_softmax: return "a log_softmax";
    case ActivationKind::other:
    case ActivationKind::unchanged: break;
  }
  return "another activation";
}

bool gives_probabilities(ActivationKind kind) { return kind == ActivationKind::sigmoid || kind == ActivationKind::softmax; }

// What is odd about a loss of this output, or an empty text.
std::string oddity(const LossDescription& loss, const Ending& ending, std::int64_t width) {
  if (ending.kind == ActivationKind::softmax && ending.width == 1)
    return fmt::format("layer \"{}\" ends with a softmax of one number, which is always 1: nothing will be learned; take a sigmoid",
                       ending.layer);
  if (loss.probabilities() == Probabilities::distribution && width == 1 && loss.name() != "kl_divergence")
    return fmt::format(
        "the loss {} compares classes, and the output has one: it is the same whatever the model says; take binary_crossentropy",
        loss.name());
  if (loss.probabilities() == Probabilities::none || ending.kind == ActivationKind::other) return {};
  if (loss.from_logits() && gives_probabilities(ending.kind))
    return fmt::format(
        "the loss {} with from_logits takes numbers before {}, but layer \"{}\" ends with {}: it would be taken twice; leave out one of "
        "them",
        loss.name(), loss.probabilities() == Probabilities::each ? "the sigmoid" : "the softmax", ending.layer, text_of(ending.kind));
  if (!loss.from_logits() && !gives_probabilities(ending.kind))
    return fmt::format("the loss {} takes probabilities, but layer \"{}\" ends with {}; give that layer {}{}", loss.name(), ending.layer,
                       text_of(ending.kind), loss.probabilities() == Probabilities::each ? "a sigmoid" : "a softmax",
                       loss.config().contains("from_logits") ? ", or the loss from_logits" : "");
  return {};
}

}  // namespace

std::vector<std::string> check_compile(const graph::Graph& graph, const formats::CompileConfig& compile) {
  std::vector<std::string> odd;
  const std::vector<std::string> names = graph.output_names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!compile.losses[i].defined()) continue;
    const LossDescription& loss = compile.losses[i].description();
    const Shape& shape = graph.shape_of(graph.outputs()[i]);
    if (shape.empty())
      throw ValueError(
          fmt::format("compile: output \"{}\" is one number an image without an axis; a loss wants rows, such as (1,)", names[i]));
    if (const std::string wrong = loss.fault(shape); !wrong.empty())
      throw ValueError(fmt::format("compile: loss {} of output \"{}\": {}", loss.name(), names[i], wrong));
    for (const Metric& metric : compile.metrics[i]) metric.description().counter(shape[-1], loss.takes_labels());
    if (const std::string text = oddity(loss, ending_of(graph, graph.outputs()[i]), shape[-1]); !text.empty()) odd.push_back(text);
  }
  return odd;
}

}  // namespace linn::detail::train
