#include "formats/onnx/network.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/checked.h"
#include "io/text.h"
#include "layers/layer_object.h"
#include "linn/layers/arrange.h"
#include "linn/layers/reshape.h"

namespace linn::detail::formats::onnx {
namespace {

// Constants of so few elements are kept once they are decoded; weights are decoded where they are used, and go.
constexpr std::size_t most_kept = 4096;
// Elements that folding may compute in all: 16 MB of int64.
constexpr std::size_t most_folded = std::size_t{1} << 21;

constexpr std::size_t longest_name = 200;

void check_size(const Shape& image, const std::string& where) {
  std::optional<std::int64_t> count = 1;
  for (const std::int64_t size : image) {
    count = core::checked_mul(*count, size);
    if (!count || *count > most_values)
      throw ShapeError(
          fmt::format("{} an image of shape {} has more than 2^40 values; that is the most linn takes", where, image.to_string()));
  }
}

bool is_legal(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '.' || c == '-';
}

std::vector<std::int64_t> as_targets(const Sizes& sizes) { return {sizes.begin(), sizes.end()}; }

}  // namespace

Network::Network(const ModelProto& model, std::string where, std::string folder)
    : model_(model), where_(std::move(where)), opset_(model.opsets.at("")), files_(std::move(folder)) {
  for (const TensorProto& tensor : model.graph.initializers)
    if (!initializers_.emplace(tensor.name, &tensor).second)
      io::format_error(where_, "there are two initializers named {}", io::quote(tensor.name));
  for (const Node& node : model.graph.nodes) {
    for (const std::string_view input : node.inputs) readers_[input].push_back(&node);
    for (const std::string_view output : node.outputs) makers_.emplace(output, &node);
  }
  for (const ValueInfo& output : model.graph.outputs) outputs_.insert(output.name);
}

std::optional<Value> Network::find(std::string_view name) {
  const auto found = values_.find(std::string(name));
  if (found != values_.end()) return found->second;
  const auto tensor = initializers_.find(name);
  if (tensor == initializers_.end()) return std::nullopt;
  auto constant =
      std::make_shared<const Constant>(decode(*tensor->second, files_, fmt::format("{}: initializer {}", where_, io::quote(name))));
  if (constant->elements() <= most_kept) values_.emplace(name, constant);
  return constant;
}

bool Network::is_constant(std::string_view name) const {
  const auto found = values_.find(std::string(name));
  return found != values_.end() ? std::holds_alternative<ConstantPtr>(found->second) : initializers_.contains(name);
}

void Network::count_folded(std::size_t elements, const std::string& where) {
  folded_ += elements;
  if (folded_ > most_folded)
    io::format_error(where, "computing its constants takes more than {} numbers in all; that is the most linn takes", most_folded);
}

std::span<const Node* const> Network::readers(std::string_view value) const {
  const auto found = readers_.find(value);
  return found == readers_.end() ? std::span<const Node* const>() : std::span<const Node* const>(found->second);
}

const Node* Network::maker(std::string_view value) const {
  const auto found = makers_.find(value);
  return found == makers_.end() || value.empty() ? nullptr : found->second;
}

const Node* Network::only_reader(std::string_view value) const {
  const auto found = readers_.find(value);
  if (found == readers_.end() || found->second.size() != 1 || outputs_.contains(value)) return nullptr;
  return found->second.front();
}

std::size_t Network::rank_with_batch(std::string_view name) const {
  const auto found = values_.find(std::string(name));
  if (found == values_.end()) return initializers_.at(name)->dims.size();
  if (const auto* constant = std::get_if<ConstantPtr>(&found->second)) return (*constant)->dims.size();
  return std::get<Activation>(found->second).rank() + 1;
}

std::string Network::layer_name(std::string_view name) {
  std::string legal;
  for (const char c : name.substr(0, longest_name)) {
    const char next = is_legal(c) ? c : '_';
    if (next == '_' && (legal.empty() || legal.back() == '_')) continue;
    legal += next;
  }
  if (legal.empty()) legal = "value";
  std::string unique = legal;
  for (int number = 1; !names_.insert(unique).second; ++number) unique = fmt::format("{}_{}", legal, number);
  return unique;
}

void Network::rename(const Layer& layer, std::string_view name) {
  names_.erase(layer.object()->name);
  layer.object()->name = layer_name(name);
}

std::vector<SymbolicTensor> Network::call(const Layer& layer, std::span<const SymbolicTensor> inputs, std::string_view name,
                                          std::vector<Tensor> weights) {
  const detail::LayerObjectPtr& object = layer.object();
  object->name = layer_name(name);
  std::vector<SymbolicTensor> outputs = detail::call_layer(object, inputs);
  for (const detail::ProbedShape& shape : outputs.front().call()->outputs)
    check_size(shape.first, object->place()), check_size(shape.second, object->place());
  const std::vector<VariableSpec> specs = detail::variables_of_call(*outputs.front().call());
  if (specs.size() != weights.size())
    throw ShapeError(fmt::format("{} has {} variables; {} came", object->place(), specs.size(), weights.size()));
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].shape != weights[i].shape())
      throw ShapeError(fmt::format("{} {} has shape {}; the layer wants {}", object->place(), specs[i].name, weights[i].shape().to_string(),
                                   specs[i].shape.to_string()));
    detail::Variable variable{.name = specs[i].name, .shape = specs[i].shape, .trainable = specs[i].trainable, .layer = object.get()};
    variable.regularizer = specs[i].regularizer;
    variable.constraint = specs[i].constraint;
    variable.value = std::move(weights[i]);
    object->variables.push_back(std::make_shared<detail::Variable>(std::move(variable)));
  }
  object->has_variables = true;
  return outputs;
}

SymbolicTensor Network::permuted(const SymbolicTensor& symbol, const Order& axes, std::string_view name) {
  const Shape shape = symbol.shape();
  // Axes of size 1 may move freely; the numbers stay where they are when all others keep their order.
  std::vector<std::size_t> large;
  Sizes sizes;
  for (const std::size_t axis : axes) {
    sizes.push_back(shape.begin()[axis]);
    if (sizes.back() != 1) large.push_back(axis);
  }
  if (std::is_sorted(large.begin(), large.end())) return reshape_symbol(symbol, sizes, name);
  std::vector<std::int64_t> dims;
  for (const std::size_t axis : axes) dims.push_back(static_cast<std::int64_t>(axis) + 1);
  return call(Permute(Axes(std::move(dims))), {&symbol, 1}, fmt::format("{}_permute", name)).front();
}

SymbolicTensor Network::reshape_symbol(const SymbolicTensor& symbol, const Sizes& sizes, std::string_view name) {
  const Shape shape = symbol.shape();
  if (std::equal(shape.begin(), shape.end(), sizes.begin(), sizes.end())) return symbol;
  if (sizes.size() == 1) return call(Flatten(), {&symbol, 1}, fmt::format("{}_flatten", name)).front();
  return call(Reshape(Axes(as_targets(sizes))), {&symbol, 1}, fmt::format("{}_reshape", name)).front();
}

Activation Network::arranged(const Activation& value, const Order& order, std::string_view name) {
  Activation result = straight(value, name);
  if (result.order == order) return result;
  // Linn's axis order[i] of the result holds what axis result.order[i] holds now.
  Order axes(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) axes[order[i]] = result.order[i];
  result.symbol = permuted(result.symbol, axes, name);
  result.order = order;
  return result;
}

Activation Network::straight(const Activation& value, std::string_view name) {
  if (!value.row) return value;
  Activation image = value;
  image.row.reset();
  image.symbol = reshape_symbol(value.symbol, Sizes(value.row->image.begin(), value.row->image.end()), name);
  image.order = value.row->order;
  image = arranged(image, onnx_order(image.rank()), name);
  image.symbol = reshape_symbol(image.symbol, {value.row->image.elements()}, name);
  image.order = {0};
  return image;
}

std::optional<Activation> Network::reshaped(const Activation& value, const Sizes& target, std::string_view name) {
  if (value.row) {
    if (target.size() == 1) return value;
    Activation image = value;
    image.row.reset();
    image.symbol = reshape_symbol(value.symbol, Sizes(value.row->image.begin(), value.row->image.end()), name);
    image.order = value.row->order;
    return reshaped(image, target, name);
  }
  const std::optional<ReshapePlan> plan = plan_reshape(value.sizes(), value.order, target);
  if (!plan) return std::nullopt;
  Activation result = value;
  if (!plan->before.empty() && target.size() == 1) {
    result.row = Activation::Row{value.symbol.shape(), value.order};
  } else if (!plan->before.empty()) {
    result.symbol = permuted(value.symbol, plan->before, name);
  }
  result.symbol = reshape_symbol(result.symbol, plan->sizes, name);
  result.order = plan->order;
  return result;
}

}  // namespace linn::detail::formats::onnx
