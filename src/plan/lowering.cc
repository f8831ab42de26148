#include "plan/lowering.h"

#include <algorithm>

#include "plan/ops/eltwise.h"
#include "plan/ops/norm.h"

namespace linn::plan {

Value Lowering::value(std::string name, Shape shape, Extent extent, Element element, Home home) {
  values_.push_back({.name = std::move(name), .shape = shape, .element = element, .extent = extent, .home = home, .kept = false});
  return {static_cast<int>(values_.size()) - 1, shape};
}

void Lowering::add(std::unique_ptr<Op> op) {
  op->layer = layer_;
  ops_.push_back(std::move(op));
}

void Lowering::add_update(std::unique_ptr<Op> op) {
  op->layer = layer_;
  updates_.push_back(std::move(op));
}

void Lowering::append_updates() {
  for (std::unique_ptr<Op>& op : updates_) ops_.push_back(std::move(op));
  updates_.clear();
}

Gradients::Gradients(Lowering& to, const std::vector<Value>& wanted) : to_(to), needed_(to.values().size(), 0) {
  for (const Value& value : wanted) needed_[static_cast<std::size_t>(value.id)] = 1;
  for (const auto& op : to.ops()) {
    bool any = false;
    for (const Value& input : op->inputs) any = any || (input.defined() && wants(input));
    if (any)
      for (const Value& output : op->outputs)
        if (output.defined()) needed_[static_cast<std::size_t>(output.id)] = 1;
  }
}

Value Gradients::of(Value value) const {
  const auto found = gradients_.find(value.id);
  if (found == gradients_.end()) return {};
  return {found->second.id, value.shape};
}

Value Gradients::make(Value like) {
  const ValueInfo& info = to_.info(like);
  const Home home = info.extent == Extent::fixed ? Home::partials : Home::arena;
  return to_.value("d " + info.name, like.shape, info.extent, Element::real, home);
}

void Gradients::give(Value value, Value gradient) {
  const auto found = gradients_.find(value.id);
  if (found == gradients_.end()) {
    gradients_[value.id] = gradient;
    return;
  }
  found->second = add(to_, found->second, gradient);
}

void Gradients::run() {
  const std::size_t forward = to_.ops().size();
  for (std::size_t i = forward; i-- > 0;) {
    Op& op = *to_.ops()[i];
    bool reached = false;
    for (const Value& input : op.inputs) reached = reached || (input.defined() && wants(input));
    if (!reached) continue;
    to_.set_layer(op.layer);
    op.differentiate(*this);
  }
}

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
      if (use.consumers.size() == 1 && !lowering.info(op.outputs[0]).kept) {
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
    if (producer >= 0 && op.reach_through(*ops[static_cast<std::size_t>(producer)])) return true;
  }
  return false;
}

}  // namespace

void fuse(Lowering& lowering) {
  while (!lowering.training() && fold_one(lowering)) {
  }
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
