#include "plan/passes.h"

#include <algorithm>

#include "plan/ops/norm.h"

namespace linn::plan {
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

// One normalization by known statistics put into the kernel and bias before it, or false when there is none left. An op before the
// product makes both from the variables, so new variables are folded anew.
bool fold_one(Lowering& lowering) {
  const std::vector<Use> uses = uses_of(lowering);
  auto& ops = lowering.ops();
  for (std::size_t i = 0; i < ops.size(); ++i) {
    Op& op = *ops[i];
    if (!op.is_affine() || lowering.info(op.outputs[0]).kept) continue;
    const auto& use = uses[static_cast<std::size_t>(op.outputs[0].id)];
    if (use.consumers.size() != 1) continue;
    const auto norm = static_cast<std::size_t>(use.consumers[0]);
    const Value coefficients = norm_coefficients(*ops[norm]);
    // A Flatten between makes each pixel's channels channels of their own, of which the kernel knows nothing.
    if (!coefficients.defined() || coefficients.shape[1] != op.inputs[1].shape[-1]) continue;
    std::unique_ptr<Op> fold = fold_norm(lowering, op.inputs[1], op.inputs[2], coefficients);
    op.set_affine(fold->outputs[0], fold->outputs[1]);
    op.outputs = ops[norm]->outputs;
    op.layer = fold->layer = joined_names(op, *ops[norm]);
    ops.erase(ops.begin() + static_cast<std::ptrdiff_t>(norm));
    // The coefficients are made of variables alone, so they can be made at any time before.
    const auto made = ops.begin() + uses[static_cast<std::size_t>(coefficients.id)].producer;
    const auto here = ops.begin() + static_cast<std::ptrdiff_t>(i);
    if (made > here) std::rotate(here, made, made + 1);
    ops.insert(std::find_if(ops.begin(), ops.end(), [&](const auto& other) { return other.get() == &op; }), std::move(fold));
    return true;
  }
  return false;
}

// One fusion, or false when there is none left. Fusions are few and plans small, so starting over each time is fine.
bool fuse_one(Lowering& lowering) {
  const std::vector<Use> uses = uses_of(lowering);
  auto& ops = lowering.ops();
  for (std::size_t i = 0; i < ops.size(); ++i) {
    Op& op = *ops[i];
    if (op.outputs.size() == 1) {
      const auto& use = uses[static_cast<std::size_t>(op.outputs[0].id)];
      const bool alone = use.consumers.size() == 1 && !lowering.info(op.outputs[0]).kept;
      if (alone && ops[static_cast<std::size_t>(use.consumers[0])]->inputs[0].shape == op.outputs[0].shape) {
        const auto consumer = ops.begin() + use.consumers[0];
        if (std::unique_ptr<Op> both = op.joined(**consumer, {lowering.training(), lowering.position_invariant()})) {
          both->inputs = op.inputs;
          both->outputs = (*consumer)->outputs;
          both->layer = joined_names(op, **consumer);
          ops[i] = std::move(both);
          ops.erase(consumer);
          return true;
        }
      }
    }
    if (op.inputs.empty() || !op.inputs[0].defined()) continue;
    const int producer = uses[static_cast<std::size_t>(op.inputs[0].id)].producer;
    if (producer < 0 || ops[static_cast<std::size_t>(producer)]->outputs[0].shape != op.inputs[0].shape) continue;
    if (op.reach_through(*ops[static_cast<std::size_t>(producer)])) return true;
  }
  return false;
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

void fuse(Lowering& lowering) {
  while (fuse_one(lowering)) {
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

}  // namespace linn::plan
