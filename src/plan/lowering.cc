#include "plan/lowering.h"

#include <iterator>

#include "plan/ops/eltwise.h"

namespace linn::detail::plan {

Value Lowering::value(std::string name, Shape shape, Extent extent, Element element, Home home) {
  values_.push_back({.name = std::move(name), .shape = shape, .element = element, .extent = extent, .home = home, .kept = false});
  return {static_cast<int>(values_.size()) - 1, shape};
}

void Lowering::add(std::unique_ptr<Op> op) {
  op->layer = layer_;
  op->every = every_;
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

void Lowering::add_preparation(std::unique_ptr<Op> op) {
  op->layer = layer_;
  preparations_.push_back(std::move(op));
}

void Lowering::prepend_preparations() {
  ops_.insert(ops_.begin(), std::make_move_iterator(preparations_.begin()), std::make_move_iterator(preparations_.end()));
  preparations_.clear();
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

Value Gradients::of(Value value) {
  const auto found = given_.find(value.id);
  if (found == given_.end()) return {};
  std::vector<Value>& given = found->second;
  if (given.size() > 1) given = {sum(to_, given)};
  return {given.front().id, value.shape};
}

Value Gradients::make(Value like) {
  const ValueInfo& info = to_.info(like);
  const Home home = info.extent == Extent::fixed ? Home::partials : Home::arena;
  return to_.value("d " + info.name, like.shape, info.extent, Element::real, home);
}

void Gradients::give(Value value, Value gradient) { given_[value.id].push_back({gradient.id, value.shape}); }

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

}  // namespace linn::detail::plan
