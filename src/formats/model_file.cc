#include "formats/model_file.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <span>

#include "formats/safetensors.h"
#include "io/file.h"
#include "layers/variables.h"
#include "linn/error.h"

namespace linn::formats {
namespace {

// Metadata keys of ours; a note of the user's goes under its own name.
constexpr const char* config_key = "linn.config";
constexpr const char* version_key = "linn.format";
constexpr const char* seed_key = "linn.seed";
constexpr std::string_view version = "1";

std::string inside(const std::string& directory, const char* file) { return (std::filesystem::path(directory) / file).string(); }

NamedTensors weights_of(const graph::Graph& graph) {
  NamedTensors weights;
  for (const graph::GraphVariable& variable : graph.variables()) weights.emplace_back(variable.name, variable.value());
  return weights;
}

}  // namespace

void set_weights(graph::Graph& graph, const NamedTensors& weights, const std::string& where) {
  detail::set_values(graph.variables(), weights, fmt::format("model \"{}\"", graph.name()), where);
}

void save_weights(const std::string& path, const graph::Graph& graph) {
  const NamedTensors weights = weights_of(graph);
  save_safetensors(path, weights, with_checksums(weights, {}));
}

void save_model(const std::string& directory, const graph::Graph& graph, const CompileConfig* compile, std::uint64_t seed, const Metadata& notes) {
  const io::Json config = model_to_json(graph, compile);
  io::make_directories(directory);
  Metadata metadata = notes;
  metadata.insert_or_assign(config_key, io::dump_json(config));
  metadata.insert_or_assign(version_key, std::string(version));
  metadata.insert_or_assign(seed_key, fmt::format("{}", seed));
  const NamedTensors weights = weights_of(graph);
  save_safetensors(inside(directory, "model.safetensors"), weights, with_checksums(weights, metadata));
  const std::string text = io::dump_json(config, 2) + '\n';
  io::write_file_atomically(inside(directory, "config.json"), std::as_bytes(std::span(text)));
}

namespace {

std::uint64_t seed_of(const Metadata& metadata, const std::string& file) {
  const auto found = metadata.find(seed_key);
  if (found == metadata.end()) return 0;
  const std::string& text = found->second;
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc() || end != text.data() + text.size())
    throw FormatError(fmt::format("{}: \"{}\" is \"{}\"; a whole number from 0 to 2^64 - 1 is allowed", file, seed_key, text));
  return seed;
}

}  // namespace

ModelFile load_model(const std::string& path) {
  const bool directory = std::filesystem::is_directory(path);
  const std::string file = directory ? inside(path, "model.safetensors") : path;
  if (directory && !std::filesystem::exists(file))
    throw IoError(fmt::format("{}: the directory holds no model.safetensors; `linn train --out {}` or Sequential::save writes one", path, path));
  Metadata metadata;
  const NamedTensors weights = load_safetensors(file, &metadata);
  const auto config = metadata.find(config_key);
  if (config == metadata.end())
    throw FormatError(fmt::format("{}: the metadata hold no \"{}\", so the network behind these weights is unknown; build the model and use load_weights", file, config_key));
  if (metadata[version_key] != version)
    throw FormatError(fmt::format("{}: written in format \"{}\"; this linn reads format \"{}\"", file, metadata[version_key], version));
  const std::string where = file + ": " + config_key;
  const std::uint64_t seed = seed_of(metadata, file);
  ModelFile model{.config = model_from_json(io::parse_json(config->second, where), where, seed), .seed = seed, .notes = {}};
  if (model.config.graph.built()) set_weights(model.config.graph, weights, file);
  metadata.erase(config_key);
  metadata.erase(version_key);
  metadata.erase(seed_key);
  model.notes = std::move(metadata);
  return model;
}

}  // namespace linn::formats
