// Layers joined by calls, and the variables they own. One class behind Sequential and the functional form.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "layers/layer_object.h"
#include "linn/shape.h"
#include "linn/tensor.h"
#include "plan/lowering.h"

namespace linn::detail::graph {

using detail::CallNodePtr;
using detail::LayerObject;
using detail::LayerObjectPtr;
using detail::VariablePtr;

/// The seed of a graph's first values. Without one the variables have no values until they are set: a file can declare large variables
/// without holding them.
using FirstValues = std::optional<std::uint64_t>;

/// The seed of a graph's first values. Without one the variables have no values until they are set: a file can declare large variables
/// without holding them.
using FirstValues = std::optional<std::uint64_t>;

/// One output of one call.
struct Port {
  int call = -1;
  int output = 0;
  friend bool operator==(const Port&, const Port&) = default;
};

/// One use of a layer.
struct Call {
  CallNodePtr node;
  int layer = -1;
  std::vector<Port> inputs = {};    // none: an input of the graph
  std::vector<Shape> outputs = {};  // of one image; Shape::none where the size is open
};

/// A layer of the graph, with its variables and calls, by index.
struct Member {
  LayerObjectPtr layer;
  std::string name;                 // unique in the graph
  std::vector<int> variables = {};  // in the layer's order
  std::vector<int> calls = {};      // in the order in which they were made

  std::string_view class_name() const { return layer->class_name(); }
};

/// A variable under its name in the graph: "conv2d/kernel", in a nested model "encoder/conv2d/kernel".
using GraphVariable = detail::NamedVariable;

/// What a lowered graph consists of.
struct Lowered {
  std::vector<plan::Value> inputs;
  std::vector<plan::Value> outputs;
  std::vector<plan::Value> variables;           // bound values, by variable index
  std::vector<std::vector<plan::Value>> calls;  // what leaves each call
};

class Graph {
 public:
  /// A chain without layers; it is built once the shape of an image is known.
  explicit Graph(std::string name) : name_(std::move(name)), chain_(true) {}
  /// The graph from `inputs` to `outputs`, built at once. Layers that no graph has yet get their names and first values. Throws ValueError
  /// for names that are taken, an output that needs an input which is not given, or an input given twice; ShapeError where calls of one
  /// layer want variables of different shapes. An input may be the output of any call: what lies before it is left out.
  static Graph functional(std::string name, std::span<const SymbolicTensor> inputs, std::span<const SymbolicTensor> outputs, FirstValues seed);

  const std::string& name() const { return name_; }
  /// Whether it is a Sequential's: one layer after the other, whose Input is not counted among the layers.
  bool is_chain() const { return chain_; }

  // Chains only.
  /// Appends a layer behind the last one and names it. ValueError for a layer that is there already or a name that is taken;
  /// when the graph is built, ShapeError for a layer that does not fit; both leave the graph as it was.
  void append(const LayerObjectPtr& layer, FirstValues seed);
  void append(const layers::DescriptionPtr& layer, FirstValues seed) { append(std::make_shared<LayerObject>(layer), seed); }
  void remove_last();
  /// Fixes the shape of one image, computes all shapes and makes all variables, anew if there were some.
  void build(const Shape& input_shape, FirstValues seed);
  void build_behind(const LayerObjectPtr& input, FirstValues seed);

  bool built() const { return !inputs_.empty(); }
  const std::vector<Call>& calls() const { return calls_; }
  /// In Keras's order: by distance from the outputs. Of a chain: from first to last, without the Input.
  std::span<const Member> members() const;
  /// All of them, Inputs too.
  const std::vector<Member>& all_members() const { return members_; }
  const Member& member_of(Port port) const { return members_[static_cast<std::size_t>(calls_[static_cast<std::size_t>(port.call)].layer)]; }
  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }
  const Shape& shape_of(Port port) const { return calls_[static_cast<std::size_t>(port.call)].outputs[static_cast<std::size_t>(port.output)]; }
  SymbolicTensor symbol_of(Port port) const { return {calls_[static_cast<std::size_t>(port.call)].node, port.output}; }
  std::vector<Shape> input_shapes() const;
  std::vector<Shape> output_shapes() const;
  /// Of graphs with one input and one output.
  const Shape& input_shape() const { return shape_of(inputs_.front()); }
  const Shape& output_shape() const { return shape_of(outputs_.front()); }
  /// The names of the layers that give them, as Keras names inputs and outputs.
  std::vector<std::string> input_names() const;
  std::vector<std::string> output_names() const;
  /// Whether some size of an input is left open.
  bool has_open_sizes() const;
  /// The shape of every value for inputs of these shapes, by call and output. ShapeError where a layer does not fit.
  std::vector<std::vector<Shape>> shapes_for(std::span<const Shape> inputs) const;

  std::vector<Shape> output_shapes_for(std::span<const Shape> inputs) const;

  const std::vector<GraphVariable>& variables() const { return variables_; }
  void set_value(std::size_t variable, Tensor value) { variables_[variable].variable->set(std::move(value)); }
  /// Says that all values have changed in place.
  void touch_values();
  /// Grows with every change of a value, also by another graph that shares the variable.
  std::uint64_t version() const;
  std::int64_t parameters(bool trainable_only) const;
  /// The layers that are frozen now, in nested models too, by address.
  std::set<const void*> frozen_layers() const;
  /// The same layers with variables of their own, which hold copies of the values.
  Graph clone() const;
  /// As `clone`, for inputs of other shapes. ShapeError, naming them, where variables would have other shapes.
  Graph clone_for(std::span<const Shape> input_shapes) const;
  /// As `clone`, with a layer between the input and the first layers. For graphs of one input.
  Graph clone_behind(const LayerObjectPtr& layer) const;

  /// Adds all ops behind `inputs`, whose shapes decide about sizes that are left open. The variables become bound values.
  /// `layer_prefix` goes before the names of layers.
  Lowered lower(plan::Lowering& to, std::span<const plan::Value> inputs) const;
  Lowered lower(plan::Lowering& to, plan::Value input) const { return lower(to, std::span(&input, 1)); }
  /// The same with variables that are there already, for a graph inside a graph.
  Lowered lower_with(plan::Lowering& to, std::span<const plan::Value> inputs, std::vector<plan::Value> variables, const std::string& layer_prefix) const;

 private:
  void connect(std::span<const SymbolicTensor> inputs, std::span<const SymbolicTensor> outputs, FirstValues seed, bool fresh);
  void connect_last(const LayerObjectPtr& layer, FirstValues seed);
  /// The layers with variables of their own: `inputs` are the new graph's, `heads` what the layers read in the place of this graph's inputs.
  Graph copy_on(std::span<const SymbolicTensor> inputs, std::span<const SymbolicTensor> heads) const;
  std::vector<SymbolicTensor> new_inputs(std::span<const Shape> shapes) const;
  void check_new(const LayerObject& layer) const;
  void add_member(const LayerObjectPtr& layer);
  /// A name that no member has: "dense", "dense_1", ...
  std::string free_name(const LayerObject& layer);

  /// What would otherwise be looked for among all members and variables for each layer that is added.
  struct Index {
    std::unordered_set<std::string> names = {};                       // of members
    std::unordered_set<const void*> layers = {};                      // members, and the descriptions of all but Inputs
    std::unordered_map<std::string, int> numbers = {};                // by default name: smaller ones are taken
    std::unordered_map<const detail::Variable*, int> variables = {};  // their places
    std::int64_t parameters = 0;
  };

  std::string name_;
  bool chain_ = false;
  std::vector<Call> calls_;       // every call comes after those that it reads
  std::vector<Member> members_;
  std::vector<Port> inputs_;
  std::vector<Port> outputs_;
  std::vector<GraphVariable> variables_;
  Index index_;
};

/// "encoder/conv2d", a name inside a nested model.
std::string nested_name(const std::string& prefix, const std::string& name);

}  // namespace linn::detail::graph
