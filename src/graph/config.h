// A graph's configuration as Keras writes it: Sequential and Functional, Keras 3 and the forms of tf.keras 2.
#pragma once

#include <cstdint>
#include <string>

#include "graph/graph.h"
#include "io/json.h"

namespace linn::detail::graph {

/// The "config" of a model: {"name", "trainable", "layers", ...}. `name` is that of the model, or of the layer that it is elsewhere.
io::Json config_of(const Graph& graph, const std::string& name);
/// The whole node: {"module", "class_name", "config", "registered_name"}.
io::Json to_json(const Graph& graph);

/// From such a node. A chain is built when the configuration says the input's shape. `where` is the file, for messages. A closed list of
/// layer classes: nothing is looked up, imported or executed, no path in it is opened. FormatError for anything else than a model; what the
/// layers themselves refuse is thrown as they do.
Graph graph_from_json(const io::Json& json, const std::string& where, FirstValues seed);

}  // namespace linn::detail::graph
