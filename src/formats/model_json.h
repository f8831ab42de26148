// A model's configuration as Keras writes it: {"module": "keras", "class_name": "Sequential", "config": {...}}.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "io/json.h"
#include "linn/losses.h"
#include "linn/optimizers.h"

namespace linn::formats {

/// What `compile` was told.
struct CompileConfig {
  Optimizer optimizer = "rmsprop";
  Loss loss;
  std::vector<Metric> metrics;
};

struct ModelConfig {
  graph::Graph graph;
  std::optional<CompileConfig> compile;
};

io::Json model_to_json(const graph::Graph& graph, const CompileConfig* compile);
/// The graph is built when the configuration says the input's shape. `where` is the file, for messages. A closed list of layer
/// classes: nothing is looked up, imported or executed, no path in it is opened.
ModelConfig model_from_json(const io::Json& json, const std::string& where, std::uint64_t seed);

}  // namespace linn::formats
