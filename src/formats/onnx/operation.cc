#include "formats/onnx/operation.h"

#include <algorithm>

#include "io/text.h"

namespace linn::detail::formats::onnx {

std::string to_string(const Sizes& sizes) {
  std::string text;
  for (const std::int64_t size : sizes)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", size == Shape::none ? "None" : fmt::format("{}", size));
  return "(" + text + ")";
}

Operation::Operation(Network& network, const Node& node, std::size_t index)
    : network_(network),
      node_(node),
      where_(fmt::format("{}: node {}{}{} ({})", network.where(), index, node.name.empty() ? "" : " ",
                         node.name.empty() ? "" : io::quote(node.name), node.op_type)) {}

// ---- inputs ------------------------------------------------------------------------------------------------------

Value Operation::value(std::size_t i) const {
  if (!has_input(i)) refuse("input {} is missing", i);
  std::optional<Value> found = network_.find(node_.inputs[i]);
  if (!found) refuse("input {}, {}, is no value of the graph", i, io::quote(node_.inputs[i]));
  return *std::move(found);
}

bool Operation::all_constant() const {
  for (std::size_t i = 0; i < input_count(); ++i)
    if (has_input(i) && !is_constant(i)) return false;
  return true;
}

Activation Operation::input(std::size_t i) const {
  Value found = value(i);
  if (!std::holds_alternative<Activation>(found))
    refuse("input {}, {}, is a constant; a value that depends on the model's inputs is allowed there", i, io::quote(node_.inputs[i]));
  return std::get<Activation>(std::move(found));
}

ConstantPtr Operation::constant(std::size_t i) const {
  Value found = value(i);
  if (!std::holds_alternative<ConstantPtr>(found))
    refuse("input {}, {}, is computed from the model's inputs; a constant is allowed there", i, io::quote(node_.inputs[i]));
  return std::get<ConstantPtr>(std::move(found));
}

std::vector<std::int64_t> Operation::integers(std::size_t i) const {
  const ConstantPtr found = constant(i);
  if (found->is_float) refuse("input {} holds floating-point numbers; integers are allowed there", i);
  for (std::size_t k = 0; k < found->integers.size(); ++k)
    if (found->mark(k) != Mark::known && !(found->mark(k) == Mark::batch && network_.batch()))
      refuse("input {} depends on a size that the file leaves open; export the model with fixed height and width", i);
  return found->integers;
}

std::vector<float> Operation::floats(std::size_t i) const {
  const ConstantPtr found = constant(i);
  if (!found->is_float) refuse("input {} holds integers; floating-point numbers are allowed there", i);
  return found->floats;
}

// ---- attributes --------------------------------------------------------------------------------------------------

const Attribute* Operation::find(std::string_view name) const {
  read_.insert(name);
  for (const Attribute& attribute : node_.attributes)
    if (attribute.name == name) return &attribute;
  return nullptr;
}

std::int64_t Operation::integer(std::string_view name, std::int64_t otherwise) const {
  const Attribute* found = find(name);
  return found == nullptr ? otherwise : found->i;
}

double Operation::number(std::string_view name, double otherwise) const {
  const Attribute* found = find(name);
  return found == nullptr ? otherwise : static_cast<double>(found->f);
}

std::string_view Operation::text(std::string_view name, std::string_view otherwise) const {
  const Attribute* found = find(name);
  return found == nullptr ? otherwise : found->s;
}

std::vector<std::int64_t> Operation::list(std::string_view name, std::vector<std::int64_t> otherwise) const {
  const Attribute* found = find(name);
  return found == nullptr ? std::move(otherwise) : found->ints;
}

void Operation::ignore(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) read_.insert(name);
}

void Operation::check_attributes() const {
  for (const Attribute& attribute : node_.attributes)
    if (!read_.contains(attribute.name)) refuse("attribute {} is not supported", io::quote(attribute.name));
}

std::size_t Operation::axis(std::int64_t axis, std::size_t rank) const {
  const auto axes = static_cast<std::int64_t>(rank);
  if (axis < -axes || axis >= axes) refuse("axis {} of a value with {} axes", axis, rank);
  return static_cast<std::size_t>(axis < 0 ? axis + axes : axis);
}

std::optional<std::vector<std::int64_t>> Operation::axes(std::string_view attribute, std::size_t i) const {
  if (const Attribute* found = find(attribute)) return found->ints;
  if (has_input(i)) return integers(i);
  return std::nullopt;
}

std::optional<std::vector<float>> Operation::take_bias(std::int64_t channels, std::size_t behind) const {
  if (node_.outputs.empty()) return std::nullopt;
  const Node* next = network_.only_reader(node_.outputs[0]);
  if (next == nullptr || next->op_type != "Add" || !next->domain.empty() || next->inputs.size() != 2 || next->outputs.size() != 1)
    return std::nullopt;
  const std::string_view other = next->inputs[next->inputs[0] == node_.outputs[0] ? 1 : 0];
  if (other == node_.outputs[0] || !network_.is_constant(other)) return std::nullopt;
  const ConstantPtr bias = std::get<ConstantPtr>(*network_.find(other));
  if (!bias->is_float || bias->elements() != static_cast<std::size_t>(channels)) return std::nullopt;
  if (channels > 1 && (bias->dims.size() <= behind || bias->dims[bias->dims.size() - 1 - behind] != channels)) return std::nullopt;
  if (bias->dims.size() > network_.rank_with_batch(node_.inputs[0])) return std::nullopt;
  network_.mark_done(*next);
  also_ = next->outputs[0];
  return bias->floats;
}

// ---- results -----------------------------------------------------------------------------------------------------

void Operation::give(std::size_t i, Value value) const {
  if (i == 0 && !also_.empty()) network_.set(also_, value);
  if (i < node_.outputs.size() && !node_.outputs[i].empty()) network_.set(node_.outputs[i], std::move(value));
}

std::string Operation::base_name() const {
  if (!node_.name.empty()) return std::string(node_.name);
  return node_.outputs.empty() ? std::string(node_.op_type) : std::string(node_.outputs[0]);
}

SymbolicTensor Operation::call(const Layer& layer, std::span<const SymbolicTensor> inputs, std::vector<Tensor> weights,
                               std::string_view suffix) const {
  const std::string name = suffix.empty() ? base_name() : fmt::format("{}_{}", base_name(), suffix);
  return network_.call(layer, inputs, name, std::move(weights)).front();
}

Activation Operation::elementwise(const Layer& layer, Activation value, std::string_view suffix) const {
  value.symbol = call(layer, value.symbol, {}, suffix);
  value.is_non_negative = false;
  return value;
}

Activation Operation::with_channels_last(std::size_t i) const {
  const Activation value = input(i);
  return arranged(value, channels_last(value.rank()));
}

Activation Operation::map(std::size_t i) const {
  const Activation value = input(i);
  if (value.rank() != 3) refuse("input {} has shape (N, {}; maps (N, C, H, W) are supported", i, to_string(value.sizes()).substr(1));
  return arranged(value, channels_last(3));
}

Activation Operation::map_or_steps(std::size_t i) const {
  const Activation value = input(i);
  if (value.rank() != 2 && value.rank() != 3)
    refuse("input {} has shape (N, {}; maps (N, C, H, W) and steps (N, C, L) are supported", i, to_string(value.sizes()).substr(1));
  return with_channels_last(i);
}

}  // namespace linn::detail::formats::onnx
