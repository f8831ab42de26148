// Graphs of linn's layers as ONNX files, operator set 17. docs/onnx.md says what is written.
#pragma once

#include <cstddef>
#include <vector>

#include "graph/graph.h"
#include "io/file.h"
#include "linn/formats.h"

namespace linn::detail::formats {

/// The network for inference, with its weights, as an ONNX model whose metadata_props are `metadata`. Inputs and outputs are as linn has
/// them, images (N, height, width, channels): one Transpose stands behind each map that comes in and before each that goes out. ValueError,
/// naming all of them, for layers that have no ONNX form, and for a network above protobuf's 2 GB.
void write_onnx(const graph::Graph& graph, const Metadata& metadata, const io::Sink& sink);
std::vector<std::byte> graph_to_onnx(const graph::Graph& graph, const Metadata& metadata);

}  // namespace linn::detail::formats
