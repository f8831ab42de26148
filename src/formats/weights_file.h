// Files of weights without a network: which kind a file is, and how its tensors are matched with the variables of a model.
#pragma once

#include <string>

#include "graph/graph.h"
#include "linn/formats.h"

namespace linn::detail::formats {

/// From Keras's .weights.h5, .weights.json, .keras and legacy .h5, and from .safetensors and .npz by name: "conv2d/kernel" as Keras names
/// them, or "conv2d.weight" with PyTorch's names and layouts. All or nothing unless told to skip. FormatError says what a file of another
/// kind is.
LoadReport load_weights(const std::string& path, graph::Graph& graph, const LoadWeightsOptions& options);
/// The end of the name decides: .weights.h5, .weights.json, .h5, .npz, else .safetensors.
void save_weights(const std::string& path, const graph::Graph& graph, const SaveWeightsOptions& options);

}  // namespace linn::detail::formats
