// What stands behind the public handles Layer and SymbolicTensor: a layer with its name and variables, and its calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "layers/description.h"
#include "linn/layer.h"
#include "linn/regularizers.h"
#include "linn/tensor.h"

namespace linn::detail {

struct LayerObject;

/// One variable of a layer. Values are canonical: Keras's shape and order, float32. Graphs that share the layer share it.
struct Variable {
  std::string name;  // "kernel"
  Shape shape;
  bool trainable = true;             // where the layer is
  const LayerObject* layer = nullptr;  // whose it is
  Tensor value = {};
  Regularizer regularizer = {};
  Constraint constraint = {};
  std::uint64_t version = 0;  // counts changes of the value, so that packed copies of it are made again

  /// Whether training may change it now.
  bool is_trainable() const;
  void set(Tensor next) {
    value = std::move(next);
    ++version;
  }
};

using VariablePtr = std::shared_ptr<Variable>;

/// A variable under its name among those of a layer, "kernel", or of a graph, "conv2d/kernel".
struct NamedVariable {
  std::string name;
  VariablePtr variable;

  const Shape& shape() const { return variable->shape; }
  const Tensor& value() const { return variable->value; }
  bool trainable() const { return variable->is_trainable(); }
  /// Whether it was trainable when these layers were frozen.
  bool trainable_but_for(const std::set<const void*>& frozen) const { return variable->trainable && !frozen.contains(variable->layer); }
};

struct LayerObject {
  explicit LayerObject(detail::layers::DescriptionPtr what)
      : description(std::move(what)), name(description->name()), trainable(description->trainable()) {}

  detail::layers::DescriptionPtr description;
  std::string name;  // empty until the user or the first graph gives one
  bool trainable;
  bool has_variables = false;  // set, with the variables, by the first graph that is built with the layer
  std::vector<VariablePtr> variables;
  std::vector<std::weak_ptr<const CallNode>> calls;  // in the order in which they were made

  std::string_view class_name() const { return description->class_name(); }
  /// "[conv2d 'conv2d_1']", the start of a message.
  std::string place() const;
};

using LayerObjectPtr = std::shared_ptr<LayerObject>;

/// The shape of a value, of one image, worked out for two choices of the sizes that are left open. Sizes that differ between the two are
/// open. Without open sizes both are the same.
struct ProbedShape {
  Shape first;
  Shape second;

  /// With Shape::none where the size is open.
  Shape merged() const;
  /// For a declared shape: open sizes become two sizes that every power of two up to 128 divides.
  static ProbedShape of(const Shape& declared);
};

/// One call of a layer.
struct CallNode {
  LayerObjectPtr layer;
  std::vector<SymbolicTensor> inputs;  // none: an Input
  std::vector<ProbedShape> outputs;
  CallOptions options;

  CallNode() = default;
  CallNode(const CallNode&) = delete;
  CallNode& operator=(const CallNode&) = delete;
  /// Frees the calls before it one after the other: a chain of many would overflow the stack otherwise.
  ~CallNode();
};

using CallNodePtr = std::shared_ptr<const CallNode>;

/// Calls a layer. Throws as Layer::call.
std::vector<SymbolicTensor> call_layer(const LayerObjectPtr& layer, std::span<const SymbolicTensor> inputs, const CallOptions& options = {});
/// The value of an InputLayer that was not called yet.
SymbolicTensor call_input(const LayerObjectPtr& input);
/// The variables that the layer wants for this call. ShapeError where their shapes depend on sizes that are left open.
std::vector<VariableSpec> variables_of_call(const CallNode& call);

inline bool is_input(const LayerObject& layer) { return layer.class_name() == "InputLayer"; }

}  // namespace linn::detail
