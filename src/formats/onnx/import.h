// ONNX files as graphs of linn's layers. docs/onnx.md says what is read and with which limits; operators.inc lists the operators.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "linn/formats.h"

namespace linn::detail::formats {

struct OnnxModel {
  graph::Graph graph;
  Metadata metadata;  // metadata_props
  /// By input and output: whether it is a map (N, C, H, W) in the file, which linn has as (height, width, channels).
  std::vector<bool> inputs_moved, outputs_moved;
};

/// The network of an ONNX model, operator sets 7 to 21, with its weights. Maps (N, C, H, W) become linn's (height, width, channels), also
/// where they are inputs or outputs of the graph. `where` is the file, for messages. `folder`: where external data may lie; empty: nowhere.
/// FormatError names file, node and attribute; operators that linn lacks are listed at once. Nothing but the bytes and the external data
/// is read.
OnnxModel read_onnx(std::span<const std::byte> bytes, const std::string& where, const std::string& folder, std::uint64_t seed);

/// The network alone; `metadata` gets the file's.
graph::Graph graph_from_onnx(std::span<const std::byte> bytes, const std::string& where, const std::string& folder, std::uint64_t seed,
                             Metadata* metadata = nullptr);

}  // namespace linn::detail::formats
