// The order of a network's calls and layers, as Keras's Function finds it (keras/src/ops/function.py, map_graph).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "layers/layer_object.h"

namespace linn::detail::graph {

struct Order {
  std::vector<detail::CallNodePtr> calls;      // every call comes after those that it reads
  std::vector<detail::LayerObjectPtr> layers;  // farthest from the outputs first, then as a walk from the outputs meets them
};

/// Of what lies between `inputs` and `outputs`. `model` begins messages. ValueError where an output needs an Input that is not given.
Order order_of(std::span<const SymbolicTensor> inputs, std::span<const SymbolicTensor> outputs, const std::string& model);

}  // namespace linn::detail::graph
