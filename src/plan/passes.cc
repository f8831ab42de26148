#include "plan/passes.h"

#include <algorithm>

#include "plan/fusions.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/fold_norm.h"
#include "plan/ops/norm.h"
#include "plan/ops/softmax.h"

namespace linn::detail::plan {
namespace {

struct Use {
  int producer = -1;
  std::vector<int> consumers;
};

std::vector<Use> uses_of(Lowering& lowering) {
  std::vector<Use> uses(lowering.values().size());
  for (std::size_t i = 0; i < lowering.ops().size(); ++i) {
    const Op& op = *lowering.ops()[i];
    for (const Value& input : op.inputs)
      if (input.defined()) uses[static_cast<std::size_t>(input.id)].consumers.push_back(static_cast<int>(i));
    for (const Value& output : op.outputs)
      if (output.defined()) uses[static_cast<std::size_t>(output.id)].producer = static_cast<int>(i);
  }
  return uses;
}

std::string joined_names(const Op& first, const Op& second) {
  return first.layer == second.layer ? first.layer : first.layer + " + " + second.layer;
}

// Whether exactly one op reads the output, and nothing else needs it.
bool is_read_once(const Lowering& lowering, const std::vector<Use>& uses, Value output) {
  const ValueInfo& info = lowering.info(output);
  return uses[static_cast<std::size_t>(output.id)].consumers.size() == 1 && !info.kept && info.home != Home::bound;
}

// Folds one normalization with known statistics into the kernel and bias before it. False if there is none left. A new op computes the
// folded kernel and bias from the variables, so that a change of the variables is folded again. The new op and the product take the
// normalization's place in the order, since its coefficients are computed there.
bool fold_one(Lowering& lowering) {
  const std::vector<Use> uses = uses_of(lowering);
  auto& ops = lowering.ops();
  for (std::size_t i = 0; i < ops.size(); ++i) {
    Op& op = *ops[i];
    if (!op.is_affine() || !is_read_once(lowering, uses, op.outputs[0])) continue;
    const auto norm = static_cast<std::size_t>(uses[static_cast<std::size_t>(op.outputs[0].id)].consumers[0]);
    const Value coefficients = norm_coefficients(*ops[norm]);
    // With a Flatten in between, the normalization has a channel for each pixel and channel, and the kernel has fewer.
    if (!coefficients.defined() || coefficients.shape[1] != op.inputs[1].shape[-1]) continue;
    std::unique_ptr<Op> fold = fold_norm(lowering, op.inputs[1], op.inputs[2], coefficients);
    op.set_affine(fold->outputs[0], fold->outputs[1]);
    op.outputs = ops[norm]->outputs;
    op.layer = fold->layer = joined_names(op, *ops[norm]);
    ops[norm] = std::move(ops[i]);
    ops.insert(ops.begin() + static_cast<std::ptrdiff_t>(norm), std::move(fold));
    ops.erase(ops.begin() + static_cast<std::ptrdiff_t>(i));
    return true;
  }
  return false;
}

// A fusion that may join a pair, and what that gains.
struct Candidate {
  const Fusion* fusion = nullptr;  // null: none
  double gain = 0;
};

Candidate first_fusion(const Pair& pair, const FusionContext& plan) {
  for (const Fusion& fusion : fusions()) {
    if (fusion.stage != plan.stage || !fusion.matches(pair) || !fusion.allowed(pair, plan)) continue;
    const double gain = fusion.gain == nullptr ? 0 : fusion.gain(pair, plan);
    if (gain >= 0) return {&fusion, gain};
  }
  return {};
}

// Puts the fused op of the pair ops[producer], ops[consumer] in the consumer's place.
void join(std::vector<std::unique_ptr<Op>>& ops, int producer, std::size_t consumer, std::size_t slot, const Fusion& fusion, const FusionContext& plan) {
  const Pair pair{*ops[static_cast<std::size_t>(producer)], *ops[consumer], slot};
  std::unique_ptr<Op> both = fusion.join(pair, plan);
  both->outputs = pair.consumer.outputs;
  both->layer = joined_names(pair.producer, pair.consumer);
  ops[consumer] = std::move(both);
  ops.erase(ops.begin() + producer);
}

// Lets one loss read the input of the softmax or sigmoid before it. False if there is none left. Runs before all fusions, because a fused
// activation would no longer be found.
bool reach_through_activation(Lowering& lowering) {
  const std::vector<Use> uses = uses_of(lowering);
  auto& ops = lowering.ops();
  for (auto& op : ops) {
    if (op->inputs.empty() || !op->inputs[0].defined()) continue;
    const int producer = uses[static_cast<std::size_t>(op->inputs[0].id)].producer;
    if (producer < 0) continue;
    const Op& before = *ops[static_cast<std::size_t>(producer)];
    if (before.outputs[0].shape != op->inputs[0].shape) continue;
    const bool is_activation = activation_problem(before) != nullptr || softmax_source(before).defined();
    if (is_activation && op->reach_through(before)) return true;
  }
  return false;
}

// Runs one fusion: the first that applies, or of chains the one that gains most. False if there is none left. The search starts anew for
// each; fusions are few and plans small.
bool fuse_one(Lowering& lowering, const FusionContext& plan) {
  const std::vector<Use> uses = uses_of(lowering);
  auto& ops = lowering.ops();
  Candidate best;
  int best_producer = -1;
  std::size_t best_consumer = 0, best_slot = 0;
  for (std::size_t i = 0; i < ops.size(); ++i)
    for (std::size_t slot = 0; slot < ops[i]->inputs.size(); ++slot) {
      const Value& input = ops[i]->inputs[slot];
      const int producer = input.defined() ? uses[static_cast<std::size_t>(input.id)].producer : -1;
      if (producer < 0) continue;
      const Op& before = *ops[static_cast<std::size_t>(producer)];
      if (before.outputs[0].id != input.id || before.outputs[0].shape != input.shape) continue;  // read with another shape: another map
      if (before.outputs.size() == 1 && is_read_once(lowering, uses, input)) {
        const Candidate found = first_fusion({before, *ops[i], slot}, plan);
        if (found.fusion != nullptr && plan.stage == Stage::pairs) {
          join(ops, producer, i, slot, *found.fusion, plan);
          return true;
        }
        if (found.fusion != nullptr && (best.fusion == nullptr || found.gain > best.gain))
          best = found, best_producer = producer, best_consumer = i, best_slot = slot;
      }
      if (slot == 0 && ops[i]->reach_through(before)) return true;
    }
  if (best.fusion == nullptr) return false;
  join(ops, best_producer, best_consumer, best_slot, *best.fusion, plan);
  return true;
}

}  // namespace

void drop_unread(Lowering& lowering) {
  std::vector<char> read(lowering.values().size(), 0);
  const auto mark = [&](const Op& op) {
    for (const Value& input : op.inputs)
      if (input.defined()) read[static_cast<std::size_t>(input.id)] = 1;
  };
  const auto is_needed = [&](const Value& output) {
    if (!output.defined()) return false;
    const ValueInfo& info = lowering.info(output);
    return read[static_cast<std::size_t>(output.id)] != 0 || info.kept || info.home == Home::bound;
  };
  for (const auto& update : lowering.updates()) mark(*update);
  auto& ops = lowering.ops();
  for (std::size_t i = ops.size(); i-- > 0;)
    if (std::any_of(ops[i]->outputs.begin(), ops[i]->outputs.end(), is_needed))
      mark(*ops[i]);
    else
      ops[i].reset();
  std::erase(ops, nullptr);
}

void fold(Lowering& lowering) {
  while (fold_one(lowering)) {
  }
}

void fuse(Lowering& lowering, const kernels::Policy& policy, Chains chains) {
  FusionContext plan{.training = lowering.training(), .policy = policy, .chains = chains};
  if (lowering.position_invariant()) plan.policy.position_invariant = true;
  while (reach_through_activation(lowering)) {
  }
  for (const Stage stage : {Stage::pairs, Stage::chains}) {
    plan.stage = stage;
    while (fuse_one(lowering, plan)) {
    }
  }
}

void trim(Lowering& lowering) {
  const std::vector<Use> uses = uses_of(lowering);
  for (std::size_t i = lowering.ops().size(); i-- > 0;) {
    Op& op = *lowering.ops()[i];
    const std::optional<kernels::Part> part = op.reads();
    if (!part) continue;
    Value& input = op.inputs[0];
    const Use& use = uses[static_cast<std::size_t>(input.id)];
    ValueInfo& info = lowering.info(input);
    if (use.producer < 0 || use.consumers.size() != 1 || info.kept || input.shape != info.shape) continue;
    if (part->height == input.shape[0] && part->width == input.shape[1]) continue;
    Op& producer = *lowering.ops()[static_cast<std::size_t>(use.producer)];
    if (!producer.narrow_output(*part)) continue;
    op.narrow_input(*part);
    input.shape = info.shape = producer.outputs[0].shape = {part->height, part->width, input.shape[2]};
  }
}

}  // namespace linn::detail::plan
