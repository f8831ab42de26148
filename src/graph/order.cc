#include "graph/order.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "linn/error.h"

namespace linn::detail::graph {
namespace {

using detail::CallNode;
using detail::CallNodePtr;
using detail::LayerObject;

// Depth first from the outputs, each call after those that it reads.
class Walk {
 public:
  Walk(std::span<const SymbolicTensor> inputs, const std::string& model) : inputs_(inputs), model_(model) {}

  void from(const SymbolicTensor& output) {
    enter(output);
    while (!path_.empty()) {
      Step& step = path_.back();
      if (step.next == step.reads) {
        calls.push_back(step.call);
        path_.pop_back();
      } else {
        enter(step.call->inputs[step.next++]);
      }
    }
  }

  std::vector<CallNodePtr> calls;
  std::unordered_map<const LayerObject*, int> met;  // in which order the walk came to each layer

 private:
  struct Step {
    CallNodePtr call;
    std::size_t next = 0, reads = 0;
  };

  void enter(const SymbolicTensor& value) {
    const CallNodePtr& call = value.call();
    if (!seen_.insert(call.get()).second) return;
    const bool is_given = std::find(inputs_.begin(), inputs_.end(), value) != inputs_.end();
    if (!is_given && call->inputs.empty())
      throw ValueError(fmt::format("model \"{}\": an output needs the value of {}, which is not among the model's inputs", model_, call->layer->place()));
    met.emplace(call->layer.get(), static_cast<int>(met.size()));
    path_.push_back({call, 0, is_given ? 0 : call->inputs.size()});
  }

  std::span<const SymbolicTensor> inputs_;
  const std::string& model_;
  std::unordered_set<const CallNode*> seen_;
  std::vector<Step> path_;
};

}  // namespace

Order order_of(std::span<const SymbolicTensor> inputs, std::span<const SymbolicTensor> outputs, const std::string& model) {
  Walk walk(inputs, model);
  for (const SymbolicTensor& output : outputs) walk.from(output);

  // The depth of a call is its longest way to an output; a layer has that of its deepest call.
  std::unordered_map<const CallNode*, int> call_depths;
  std::unordered_map<const LayerObject*, int> layer_depths;
  std::vector<detail::LayerObjectPtr> layers;
  for (auto call = walk.calls.rbegin(); call != walk.calls.rend(); ++call) {
    const detail::LayerObjectPtr& layer = (*call)->layer;
    const auto [found, is_new] = layer_depths.try_emplace(layer.get(), 0);
    if (is_new) layers.push_back(layer);
    const int depth = found->second = std::max(found->second, call_depths[call->get()]);
    call_depths[call->get()] = depth;
    for (const SymbolicTensor& input : (*call)->inputs) {
      int& before = call_depths[input.call().get()];
      before = std::max(before, depth + 1);
    }
  }
  Order order{.calls = std::move(walk.calls), .layers = std::move(layers)};
  // An input that no output needs: Keras keeps it, at depth 0 before all others.
  std::size_t unused = 0;
  for (const SymbolicTensor& input : inputs) {
    const detail::LayerObjectPtr& layer = input.call()->layer;
    if (!layer_depths.try_emplace(layer.get(), 0).second) continue;
    walk.met[layer.get()] = -1;
    order.calls.insert(order.calls.begin() + static_cast<std::ptrdiff_t>(unused++), input.call());
    order.layers.push_back(layer);
  }
  std::stable_sort(order.layers.begin(), order.layers.end(), [&](const auto& a, const auto& b) {
    const int da = layer_depths.at(a.get()), db = layer_depths.at(b.get());
    return da != db ? da > db : walk.met.at(a.get()) < walk.met.at(b.get());
  });
  return order;
}

}  // namespace linn::detail::graph
