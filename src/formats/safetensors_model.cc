#include "formats/safetensors_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "formats/safetensors.h"
#include "io/bytes.h"
#include "io/file.h"
#include "io/json.h"
#include "layers/variables.h"
#include "linn/error.h"

namespace linn::detail::formats {
namespace {

// Metadata keys of ours; a note of the user's goes under its own name.
constexpr const char* config_key = "linn.config";
constexpr const char* version_key = "linn.format";
constexpr const char* seed_key = "linn.seed";
// "1" had no training state.
constexpr std::string_view version = "2", first_version = "1";

std::string take(Metadata& metadata, const char* key) {
  const auto node = metadata.extract(key);
  return node.empty() ? std::string() : std::move(node.mapped());
}

}  // namespace

ModelFile read_safetensors_model(std::span<const std::byte> bytes, const std::string& where) {
  Metadata metadata;
  NamedTensors weights = read_safetensors(bytes, where, &metadata);
  if (!metadata.contains(config_key))
    throw FormatError(
        fmt::format("{}: the metadata hold no \"{}\", so the network behind these weights is unknown; build the model and use load_weights",
                    where, config_key));
  if (const std::string found = take(metadata, version_key); found != version && found != first_version)
    throw FormatError(fmt::format("{}: written in format \"{}\"; this linn reads formats \"{}\" and \"{}\"", where, found, first_version, version));
  const std::string place = fmt::format("{}: {}", where, config_key);
  ModelFile model;
  if (const std::string seed = take(metadata, seed_key); !seed.empty())
    model.seed = seed_from_text(seed, fmt::format("{}: \"{}\"", where, seed_key));
  model.config = model_from_json(io::parse_json(take(metadata, config_key), place), place, std::nullopt);
  graph::Graph& graph = model.config.graph;
  if (const std::string training = take(metadata, training_key); !training.empty() && model.config.compile && graph.built()) {
    model.training = take_training(weights, training, graph, model.config.compile->optimizer.description(), where);
    model.trained_other_layers = !model.training;
  }
  // Of an optimizer without which the model comes back, as where its loss was one's own.
  std::erase_if(weights, [](const auto& tensor) { return is_training_tensor(tensor.first); });
  if (graph.built()) detail::take_values(graph.variables(), std::move(weights), fmt::format("model \"{}\"", graph.name()), where);
  if (const std::string test = take(metadata, self_test_key); !test.empty())
    model.self_test = self_test_from_text(test, fmt::format("{}: {}", where, self_test_key));
  model.notes = std::move(metadata);
  return model;
}

void write_safetensors_model(const std::string& path, const SavedModel& model) {
  Metadata metadata = *model.notes;
  metadata.insert_or_assign(config_key, io::dump_json(model_to_json(model.graph, model.compile)));
  metadata.insert_or_assign(version_key, std::string(version));
  metadata.insert_or_assign(seed_key, fmt::format("{}", model.seed));
  if (model.self_test != nullptr) metadata.insert_or_assign(self_test_key, self_test_to_text(*model.self_test));
  NamedTensors tensors;
  for (const graph::GraphVariable& variable : model.graph.variables()) tensors.emplace_back(variable.name, variable.value());
  if (const OptimizerDescription* optimizer = model.optimizer_description(); optimizer != nullptr && model.training != nullptr) {
    metadata.insert_or_assign(training_key, training_to_text(*model.training, *optimizer));
    NamedTensors training = training_tensors(*model.training, *optimizer);
    std::move(training.begin(), training.end(), std::back_inserter(tensors));
  }
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.bytes();
  io::check_free_space(path, bytes);
  save_safetensors(path, tensors, with_checksums(tensors, metadata));
}

void write_model_directory(const std::string& directory, const SavedModel& model) {
  const auto inside = [&](const char* name) { return (std::filesystem::path(directory) / name).string(); };
  io::make_directories(directory);
  write_safetensors_model(inside("model.safetensors"), model);
  io::write_file_atomically(inside("config.json"), io::bytes_of(io::dump_json(model_to_json(model.graph, model.compile), 2) + '\n'));
}

}  // namespace linn::detail::formats
