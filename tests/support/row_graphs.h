// A network of one layer for every example of the registry, with random weights.
#pragma once

#include <fmt/format.h>

#include <random>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "layers/activations.h"
#include "layers/layer_object.h"
#include "layers/registry.h"
#include "linn/layers/reshape.h"
#include "support/shapes_in.h"

namespace linn::tests {

struct RowGraph {
  std::string name, class_name, config;
  detail::graph::Graph graph;
  std::vector<Tensor> inputs;  // two images each
};

inline Tensor random_tensor(const Shape& shape, std::uint32_t seed, double low, double high) {
  std::mt19937 engine(seed);
  Tensor tensor(shape);
  for (float& value : tensor.values<float>()) value = static_cast<float>(low + (high - low) * static_cast<double>(engine()) / 4294967296.0);
  return tensor;
}

/// A network of one layer called on inputs of these shapes. The layer is called "tested", whatever `config` says.
inline RowGraph row_graph(const std::string& name, const std::string& class_name, const std::string& config, const std::string& inputs) {
  RowGraph row{.name = name, .class_name = class_name, .config = config, .graph = detail::graph::Graph("row"), .inputs = {}};
  std::vector<SymbolicTensor> heads;
  std::uint32_t seed = 1;
  for (const Shape& shape : shapes_in(inputs)) {
    heads.push_back(Input(shape, {.name = fmt::format("in{}", heads.size())}));
    row.inputs.push_back(random_tensor(shape.with_first(2), seed++, least_for(config, -2), 2));
  }
  detail::io::Json json = detail::io::parse_json(config, name);
  json["name"] = "tested";
  const auto layer = std::make_shared<detail::LayerObject>(detail::layers::layer_from_config(class_name, json, name));
  const std::vector<SymbolicTensor> outputs = detail::call_layer(layer, heads);
  row.graph = detail::graph::Graph::functional("row", heads, outputs, 1);
  for (std::size_t i = 0; i < row.graph.variables().size(); ++i) {
    const detail::graph::GraphVariable& variable = row.graph.variables()[i];
    const bool positive = variable.name.ends_with("variance");
    row.graph.set_value(i, random_tensor(variable.shape(), seed++, positive ? 0.3 : -1, positive ? 1.5 : 1));
  }
  return row;
}

/// Every example of every layer but InputLayer, and every activation function by Activation.
inline std::vector<RowGraph> row_graphs() {
  std::vector<RowGraph> graphs;
  for (const detail::layers::LayerRow& row : detail::layers::layer_rows()) {
    if (row.info.name == "InputLayer") continue;
    for (std::size_t i = 0; i < row.examples.size(); ++i)
      graphs.push_back(row_graph(fmt::format("{}_{}", row.info.name, i), std::string(row.info.name), std::string(row.examples[i].config),
                                 std::string(row.examples[i].inputs)));
  }
  for (const detail::layers::ActivationRow& row : detail::layers::activation_rows())
    for (std::size_t i = 0; i < row.examples.size(); ++i) {
      const detail::io::Json node = {{"class_name", std::string(row.info.name)},
                                     {"config", detail::io::parse_json(row.examples[i].config, "example")}};
      for (const char* inputs : {"(6, 4)", "(2, 4, 6)"})
        graphs.push_back(row_graph(fmt::format("Activation_{}_{}_{}", row.info.name, i, inputs[1] == '6' ? "rows" : "map"), "Activation",
                                   detail::io::dump_json({{"name", "a"}, {"activation", node}}), inputs));
    }
  return graphs;
}

}  // namespace linn::tests
