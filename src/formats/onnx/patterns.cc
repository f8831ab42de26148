#include "formats/onnx/patterns.h"

#include <algorithm>
#include <cmath>

#include "formats/onnx/weights.h"
#include "linn/layers/activation.h"
#include "linn/layers/sample_norm.h"

namespace linn::detail::formats::onnx {
namespace {

// Walks along nodes of which each is the only reader of the one before; what it has passed is marked at the end, or not at all.
class Chain {
 public:
  Chain(const Operation& op, const Node& start) : op_(op), last_(&start) { passed_.push_back(&start); }

  /// Steps to the only reader, which must be this operator; its other input is `other` (of two). Null where it does not fit.
  bool step(std::string_view op_type) {
    const Node* next = last_->outputs.empty() ? nullptr : op_.network().only_reader(last_->outputs[0]);
    if (next == nullptr || next->op_type != op_type || next->outputs.size() != 1 || next->inputs.empty()) return false;
    other = {};
    is_first = next->inputs[0] == last_->outputs[0];
    if (next->inputs.size() == 2) other = next->inputs[is_first ? 1 : 0];
    last_ = next;
    passed_.push_back(next);
    return true;
  }
  /// The number that the other input is, if it is one.
  std::optional<double> number() const { return number_of(other); }
  std::optional<double> number_of(std::string_view name) const {
    if (name.empty() || !op_.network().is_constant(name)) return std::nullopt;
    const ConstantPtr constant = std::get<ConstantPtr>(*op_.network().find(name));
    if (!constant->is_scalar() || !constant->is_float) return std::nullopt;
    return constant->number(0);
  }
  void back() { last_ = passed_[passed_.size() - 2], passed_.pop_back(); }
  const Node& last() const { return *last_; }
  void mark(const Node& node) { passed_.push_back(&node); }
  void take_all() const {
    for (const Node* node : passed_) op_.network().mark_done(*node);
    op_.stand_for(last_->outputs[0]);
  }

  std::string_view other;
  bool is_first = true;

 private:
  const Operation& op_;
  const Node* last_;
  std::vector<const Node*> passed_;
};

bool is_near(std::optional<double> number, double wanted) { return number && std::abs(*number - wanted) <= 1e-4 * std::abs(wanted); }

// Whether a value is x / 2.
bool is_half_of(const Operation& op, std::string_view value, std::string_view x) {
  for (const Node* reader : op.network().readers(x)) {
    if (reader->op_type != "Mul" || reader->inputs.size() != 2 || reader->outputs.size() != 1 || reader->outputs[0] != value) continue;
    const std::string_view other = reader->inputs[reader->inputs[0] == x ? 1 : 0];
    if (is_near(Chain(op, *reader).number_of(other), 0.5)) return true;
  }
  return false;
}

}  // namespace

const Attribute* attribute_of(const Node& node, std::string_view name) {
  for (const Attribute& attribute : node.attributes)
    if (attribute.name == name) return &attribute;
  return nullptr;
}

bool take_product_with_input(const Operation& op) {
  if (op.input_count() != 1 || op.node().outputs.size() != 1) return false;
  Chain chain(op, op.node());
  if (!chain.step("Mul") || chain.other != op.node().inputs[0]) return false;
  chain.take_all();
  return true;
}

bool take_product_with_magnitude(const Operation& op) {
  if (op.input_count() != 1 || op.node().outputs.size() != 1) return false;
  Chain chain(op, op.node());
  if (!chain.step("Mul")) return false;
  const Node* magnitude = op.network().maker(chain.other);
  if (magnitude != nullptr && magnitude->op_type == "Relu" && magnitude->inputs.size() == 1)
    magnitude = op.network().maker(magnitude->inputs[0]);
  if (magnitude == nullptr || magnitude->op_type != "Abs" || magnitude->inputs != op.node().inputs) return false;
  chain.take_all();
  return true;
}

std::optional<Activation> matched_gelu(const Operation& op) {
  const Node& node = op.node();
  if (node.inputs.size() != 2 || node.outputs.size() != 1) return std::nullopt;
  const bool is_product = node.op_type == "Mul", constant_first = op.is_constant(0);
  if (constant_first == op.is_constant(1) || (constant_first && !is_product)) return std::nullopt;
  const std::string_view x = node.inputs[constant_first ? 1 : 0];
  Chain chain(op, node);
  if (!is_near(chain.number_of(node.inputs[constant_first ? 0 : 1]), is_product ? std::sqrt(0.5) : std::sqrt(2.0))) return std::nullopt;
  if (!chain.step("Erf") || !chain.step("Add") || !is_near(chain.number(), 1)) return std::nullopt;
  bool has_half = false, has_x = false;
  while (!(has_half && has_x)) {
    if (!chain.step("Mul")) return std::nullopt;
    if (!has_x && chain.other == x)
      has_x = true;
    else if (!has_half && is_near(chain.number(), 0.5))
      has_half = true;
    else if (!has_x && !has_half && is_half_of(op, chain.other, x))
      has_x = has_half = true;
    else
      return std::nullopt;
  }
  chain.take_all();
  return op.elementwise(linn::Activation(activations::gelu({})), op.input(constant_first ? 1 : 0));
}

std::optional<Activation> matched_layer_norm(const Operation& op) {
  const Node& mean = op.node();
  if (mean.inputs.empty() || mean.outputs.size() != 1 || op.integer("keepdims", 1) != 1) return std::nullopt;
  const std::string_view x = mean.inputs[0];
  const Activation source = op.network().straight(op.input(0), op.base_name());
  const std::size_t rank = source.rank() + 1;
  const auto listed = op.axes("axes", 1);
  if (!listed || listed->size() != 1 || op.axis((*listed)[0], rank) + 1 != rank) return std::nullopt;
  // x - mean, whose square has the variance as its mean.
  Chain chain(op, mean);
  if (!chain.step("Sub") || chain.other != x || chain.is_first) return std::nullopt;
  const std::string_view difference = chain.last().outputs[0];
  const Node *square = nullptr, *quotient = nullptr;
  for (const Node* reader : op.network().readers(difference)) {
    if (reader->op_type == "Div" && reader->inputs[0] == difference)
      quotient = reader;
    else if (reader->op_type == "Pow" || reader->op_type == "Mul")
      square = reader;
    else
      return std::nullopt;
  }
  if (square == nullptr || quotient == nullptr || quotient->inputs.size() != 2 || quotient->outputs.size() != 1 ||
      square->inputs.size() != 2)
    return std::nullopt;
  const bool is_square = square->op_type == "Mul" ? square->inputs[0] == square->inputs[1] : is_near(chain.number_of(square->inputs[1]), 2);
  Chain variance(op, *square);
  if (!is_square || !variance.step("ReduceMean")) return std::nullopt;
  const Operation second(op.network(), variance.last(), 0);
  const auto over = second.axes("axes", 1);
  if (!over || over->size() != 1 || second.axis((*over)[0], rank) + 1 != rank || second.integer("keepdims", 1) != 1) return std::nullopt;
  if (!variance.step("Add")) return std::nullopt;
  const std::optional<double> epsilon = variance.number();
  if (!epsilon || *epsilon < 0 || !variance.step("Sqrt") || op.network().only_reader(variance.last().outputs[0]) != quotient)
    return std::nullopt;

  Chain result(op, *quotient);
  const std::int64_t channels = source.sizes().back();
  const auto weights_of = [&](std::string_view name) -> std::optional<Tensor> {
    if (name.empty() || !op.network().is_constant(name)) return std::nullopt;
    const ConstantPtr constant = std::get<ConstantPtr>(*op.network().find(name));
    if (!constant->is_float || constant->dims.size() != 1 || constant->dims[0] != channels) return std::nullopt;
    return vector_tensor(constant->floats);
  };
  std::vector<Tensor> weights;
  if (result.step("Mul")) {
    if (const auto gamma = weights_of(result.other))
      weights.push_back(*gamma);
    else
      result.back();
  }
  const bool has_scale = !weights.empty();
  if (result.step("Add")) {
    if (const auto beta = weights_of(result.other))
      weights.push_back(*beta);
    else
      result.back();
  }
  const bool has_center = weights.size() > (has_scale ? 1U : 0U);
  chain.take_all();
  variance.take_all();
  result.take_all();
  const std::int64_t axis = static_cast<std::int64_t>(source.order.back()) + 1;
  Activation normalized = source;
  normalized.is_non_negative = false;
  normalized.symbol = op.call(LayerNormalization({.axis = axis + 1 == static_cast<std::int64_t>(rank) ? Axes(-1) : Axes(axis),
                                                  .epsilon = *epsilon,
                                                  .center = has_center,
                                                  .scale = has_scale}),
                              source.symbol, std::move(weights));
  return normalized;
}

}  // namespace linn::detail::formats::onnx
