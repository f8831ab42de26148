// A model's configuration and what it was compiled with, as Keras writes them: graph/config.h's node and its "compile_config".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "io/json.h"
#include "linn/losses.h"
#include "linn/metrics.h"
#include "linn/optimizers.h"

namespace linn::detail::formats {

/// What `compile` was told, resolved to one entry for each output of the model.
struct CompileConfig {
  Optimizer optimizer = "rmsprop";
  std::vector<Loss> losses;
  std::vector<double> loss_weights;
  std::vector<std::vector<Metric>> metrics;

  /// Whether some output has a loss.
  bool has_loss() const;
};

struct ModelConfig {
  graph::Graph graph;
  std::optional<CompileConfig> compile;
};

io::Json model_to_json(const graph::Graph& graph, const CompileConfig* compile);
/// As graph::graph_from_json.
ModelConfig model_from_json(const io::Json& json, const std::string& where, graph::FirstValues seed);

}  // namespace linn::detail::formats
