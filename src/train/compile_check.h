// What `compile` was told, against the model's outputs: mistakes that would otherwise show as strange numbers after hours.
#pragma once

#include <string>
#include <vector>

#include "formats/model_json.h"
#include "graph/graph.h"

namespace linn::detail::train {

/// Sentences about losses that do not fit the activation or the width of their outputs, though they can be computed: logits behind a softmax, a
/// crossentropy of probabilities behind numbers, one class. Throws ValueError for losses and metrics that cannot be computed.
std::vector<std::string> check_compile(const graph::Graph& graph, const formats::CompileConfig& compile);

}  // namespace linn::detail::train
