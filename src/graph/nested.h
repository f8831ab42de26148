// A model used as a layer of another one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "layers/description.h"

namespace linn::detail::graph {

/// Holds a graph and lowers it in place. Its variables are those of the graph, which both models share.
class NestedModel final : public LayerDescription {
 public:
  explicit NestedModel(Graph graph) : graph_(std::move(graph)) {}

  const Graph& graph() const { return graph_; }

  std::string_view class_name() const override { return graph_.is_chain() ? "Sequential" : "Functional"; }
  const std::string& name() const override { return graph_.name(); }
  bool trainable() const override { return true; }
  const Shape& input_shape() const override { return no_shape_; }
  io::Json config(const std::string& name) const override;
  void set_trainable(bool trainable) const override;

  std::vector<Shape> infer_shapes(std::span<const Shape> inputs, const std::string& where) const override;
  std::vector<VariableSpec> declare_variables(std::span<const Shape> inputs) const override;
  std::vector<plan::Value> lower_call(plan::Lowering& to, std::span<const plan::Value> inputs,
                                      std::span<const plan::Value> variables) const override;

 private:
  Graph graph_;
  Shape no_shape_;
};

/// A graph's inputs and outputs, called anew.
struct FlatValues {
  std::vector<SymbolicTensor> inputs, outputs;
};

/// The graph with the layers of models inside it called in their places: copies of all layers, which share the variables. A layer of an inner
/// model whose name is taken is called "MODEL_LAYER". Nothing where no model is inside. `graph` must be built.
std::optional<FlatValues> flattened(const Graph& graph);

/// The layer that stands for a built graph in other graphs, with the graph's variables.
LayerObjectPtr layer_of(const Graph& graph);
/// The graph inside the layer; null for any other layer.
const Graph* graph_in(const LayerObject& layer);

}  // namespace linn::detail::graph
