// A model's directory: model.safetensors is the model, config.json a copy of its configuration for people and tools.
// See docs/decisions/single-file-model.md.
#pragma once

#include <cstdint>
#include <string>

#include "formats/model_json.h"
#include "linn/formats.h"

namespace linn::formats {

/// Puts values into the variables. All or nothing: ValueError or ShapeError lists every tensor that is missing, unknown or of another
/// shape. `where` begins the message.
void set_weights(graph::Graph& graph, const NamedTensors& weights, const std::string& where);

/// All variables under their names, with checksums.
void save_weights(const std::string& path, const graph::Graph& graph);
/// Makes the directory if needed. The old model stays until the new one is whole.
void save_model(const std::string& directory, const graph::Graph& graph, const CompileConfig* compile, std::uint64_t seed, const Metadata& notes);

struct ModelFile {
  ModelConfig config;
  std::uint64_t seed = 0;  // of the model; 0 for files that do not say it
  Metadata notes;
};

/// `path` is the directory or its model.safetensors.
ModelFile load_model(const std::string& path);

}  // namespace linn::formats
