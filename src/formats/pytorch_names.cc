#include "formats/pytorch_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "graph/nested.h"

namespace linn::detail::formats {
namespace {

Shape permuted(const Shape& shape, const std::vector<std::size_t>& order) {
  std::vector<std::int64_t> sizes;
  for (const std::size_t axis : order) sizes.push_back(shape.begin()[axis]);
  return Shape(sizes);
}

// Element by element, the last axis of the result fastest.
Tensor permuted(const Tensor& from, const std::vector<std::size_t>& order) {
  Tensor result(permuted(from.shape(), order));
  const std::size_t rank = order.size();
  std::vector<std::int64_t> pitch(rank, 1), index(rank, 0);
  for (std::size_t axis = rank - 1; axis > 0; --axis) pitch[axis - 1] = pitch[axis] * from.shape().begin()[axis];
  const auto src = from.values<float>();
  std::int64_t at = 0;
  for (float& value : result.values<float>()) {
    value = src[static_cast<std::size_t>(at)];
    for (std::size_t axis = rank; axis-- > 0;) {
      at += pitch[order[axis]];
      if (++index[axis] < result.shape().begin()[axis]) break;
      at -= index[axis] * pitch[order[axis]];
      index[axis] = 0;
    }
  }
  return result;
}

std::vector<std::size_t> inverse(const std::vector<std::size_t>& order) {
  std::vector<std::size_t> result(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) result[order[i]] = i;
  return result;
}

// What a variable of a layer is called in PyTorch's module, by the names of both.
std::string_view name_in_module(std::string_view class_name, std::string_view variable) {
  if (class_name == "SeparableConv2D" || class_name == "SeparableConv1D") {
    if (variable == "depthwise_kernel") return "depthwise.weight";
    return variable == "pointwise_kernel" ? "pointwise.weight" : "pointwise.bias";
  }
  static constexpr std::pair<std::string_view, std::string_view> names[] = {{"kernel", "weight"},
                                                                            {"gamma", "weight"},
                                                                            {"scale", "weight"},
                                                                            {"alpha", "weight"},
                                                                            {"beta", "bias"},
                                                                            {"bias", "bias"},
                                                                            {"moving_mean", "running_mean"},
                                                                            {"moving_variance", "running_var"}};
  for (const auto& [ours, theirs] : names)
    if (ours == variable) return theirs;
  return variable;
}

// The map, or the steps, that a Flatten in front of this layer's only call flattens.
std::optional<Shape> flattened_map(const graph::Graph& graph, const graph::Member& member) {
  if (member.calls.size() != 1) return std::nullopt;
  const std::vector<graph::Port>& inputs = graph.calls()[static_cast<std::size_t>(member.calls.front())].inputs;
  if (inputs.size() != 1) return std::nullopt;
  // What leaves the places of values alone may stand between them.
  static constexpr std::string_view passes[] = {"Dropout", "Activation", "ReLU", "Identity"};
  graph::Port port = inputs.front();
  while (std::ranges::find(passes, graph.member_of(port).class_name()) != std::end(passes))
    port = graph.calls()[static_cast<std::size_t>(port.call)].inputs.front();
  if (graph.member_of(port).class_name() != "Flatten") return std::nullopt;
  const Shape map = graph.shape_of(graph.calls()[static_cast<std::size_t>(port.call)].inputs.front());
  return map.rank() == 3 || map.rank() == 2 ? std::optional(map) : std::nullopt;
}

class Walk {
 public:
  explicit Walk(const graph::Graph& graph) {
    for (const graph::GraphVariable& variable : graph.variables()) names_.emplace(variable.variable.get(), variable.name);
    walk(graph);
  }
  std::vector<PyTorchVariable> variables;

 private:
  void walk(const graph::Graph& graph) {
    for (const graph::Member& member : graph.members()) {
      if (!visited_.insert(member.layer.get()).second) continue;
      if (const graph::Graph* inner = graph::graph_in(*member.layer)) {
        walk(*inner);
        continue;
      }
      for (const detail::VariablePtr& variable : member.layer->variables) variables.push_back(place(graph, member, variable));
    }
  }

  PyTorchVariable place(const graph::Graph& graph, const graph::Member& member, const detail::VariablePtr& variable) const {
    const std::string& ours = names_.at(variable.get());
    const std::size_t slash = ours.rfind('/');
    std::string module = ours.substr(0, slash);
    std::ranges::replace(module, '/', '.');
    const LayerDescription::Wrapped wrapped = member.layer->description->wrapped();
    const std::string_view class_name = wrapped.layer == nullptr ? member.class_name() : wrapped.layer->class_name();
    PyTorchVariable result{.variable = {ours, variable}, .name = fmt::format("{}.{}", module, name_in_module(class_name, variable->name))};
    const Shape& shape = variable->shape;
    result.view = shape;
    result.shape = shape;
    if (class_name == "PReLU") {
      result.shape = Shape{shape.elements()};
    } else if (class_name == "Dense" && variable->name == "kernel") {
      const std::optional<Shape> map = flattened_map(graph, member);
      if (map) result.view = map->rank() == 3 ? Shape{(*map)[0], (*map)[1], (*map)[2], shape[1]} : Shape{(*map)[0], (*map)[1], shape[1]};
      result.order = result.view.rank() == 4   ? std::vector<std::size_t>{3, 2, 0, 1}
                     : result.view.rank() == 3 ? std::vector<std::size_t>{2, 1, 0}
                                               : std::vector<std::size_t>{1, 0};
      result.shape = Shape{shape[1], shape[0]};
    } else if (shape.rank() == 4 && (class_name == "DepthwiseConv2D" || variable->name == "depthwise_kernel")) {
      result.order = {2, 3, 0, 1};
      result.shape = Shape{shape[2] * shape[3], 1, shape[0], shape[1]};
    } else if (shape.rank() == 4) {
      result.order = {3, 2, 0, 1};
      result.shape = permuted(shape, result.order);
    } else if (shape.rank() == 3 && (class_name == "DepthwiseConv1D" || variable->name == "depthwise_kernel")) {
      result.order = {1, 2, 0};
      result.shape = Shape{shape[1] * shape[2], 1, shape[0]};
    } else if (shape.rank() == 3 && class_name.find("Conv1D") != std::string_view::npos) {
      result.order = {2, 1, 0};
      result.shape = permuted(shape, result.order);
    }
    return result;
  }

  std::map<const detail::Variable*, std::string> names_;
  std::set<const void*> visited_;
};

}  // namespace

Tensor PyTorchVariable::to_pytorch() const {
  const Tensor value = variable.value().reshape(view);
  return (order.empty() ? value : permuted(value, order)).reshape(shape);
}

Tensor PyTorchVariable::from_pytorch(const Tensor& value) const {
  const Tensor numbers = value.astype(DType::f32);
  if (order.empty()) return numbers.reshape(variable.shape());
  return permuted(numbers.reshape(permuted(view, order)), inverse(order)).reshape(variable.shape());
}

std::vector<PyTorchVariable> pytorch_variables(const graph::Graph& graph) { return std::move(Walk(graph).variables); }

}  // namespace linn::detail::formats
