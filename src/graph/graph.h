// Layers joined, and the variables they want. One class behind Sequential and, later, the functional form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layers/description.h"
#include "linn/shape.h"
#include "linn/tensor.h"
#include "plan/lowering.h"

namespace linn::graph {

/// Values are canonical: Keras's shape and order, float32.
struct Variable {
  std::string name;  // "conv2d/kernel"
  bool trainable = true;
  Tensor value;
};

struct Node {
  layers::DescriptionPtr layer;
  std::string name;           // unique in the graph
  int input = -1;             // the node it reads; -1: the graph's input
  Shape output = {};          // of one image, once built
  std::vector<int> variables = {};  // indices, in the layer's order
};

/// What a lowered graph consists of.
struct Lowered {
  plan::Value input;
  plan::Value output;
  std::vector<plan::Value> variables;  // bound values, by variable index
  std::vector<plan::Value> layers;     // what leaves each node
};

class Graph {
 public:
  explicit Graph(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  /// Appends a layer behind the last one and names it. ValueError for a layer that is there already or a name that is taken;
  /// when the graph is built, ShapeError for a layer that does not fit; both leave the graph as it was.
  void append(const layers::DescriptionPtr& layer, std::uint64_t seed);
  void remove_last();
  /// Fixes the shape of one image, computes all shapes and makes all variables.
  void build(const Shape& input_shape, std::uint64_t seed);

  bool built() const { return input_shape_.has_value(); }
  const Shape& input_shape() const { return *input_shape_; }
  const Shape& output_shape() const { return nodes_.empty() ? input_shape() : nodes_.back().output; }
  const std::string& input_name() const { return input_name_; }
  void set_input_name(std::string name) { input_name_ = std::move(name); }

  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Variable>& variables() const { return variables_; }
  /// To change their values; whoever made something of them sees by `version` that it is out of date. Ask anew for each change.
  std::vector<Variable>& variables() {
    ++version_;
    return variables_;
  }
  std::uint64_t version() const { return version_; }
  std::int64_t parameters(bool trainable_only) const;

  /// Adds all ops behind `input`. The variables become bound values.
  Lowered lower(plan::Lowering& to, plan::Value input) const;

 private:
  std::string name_for(const layers::DescriptionPtr& layer) const;
  void build_node(Node& node, const Shape& input, std::uint64_t seed);

  std::string name_;
  std::string input_name_ = "input_layer";
  std::optional<Shape> input_shape_;
  std::vector<Node> nodes_;
  std::vector<Variable> variables_;
  std::uint64_t version_ = 0;
};

}  // namespace linn::graph
