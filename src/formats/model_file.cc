#include "formats/model_file.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <span>

#include "formats/file_kind.h"
#include "formats/keras_file.h"
#include "formats/legacy_h5.h"
#include "formats/onnx/export.h"
#include "formats/onnx/import.h"
#include "formats/safetensors_model.h"
#include "io/bytes.h"
#include "io/file.h"
#include "io/json.h"
#include "io/text.h"
#include "linn/error.h"

namespace linn::detail::formats {
namespace {

constexpr std::string_view models_read =
    "linn reads models from .keras, .h5, .onnx and .safetensors files, the directory that `linn train --out DIR` or Model::save wrote, and "
    "a network's "
    "configuration as Keras's model.to_json() writes it (.json)";

// A legacy .h5 file of a whole model.
ModelFile read_h5(std::span<const std::byte> bytes, const std::string& where) {
  const LegacyH5 file(bytes, where);
  const io::Json config = file.config();
  if (config.is_null())
    throw FormatError(
        fmt::format("{}: holds weights alone, not the network that they belong to; build the model and use load_weights", where));
  ModelFile model;
  model.config = model_from_json(config, where + ": model_config", std::nullopt);
  if (!model.config.graph.built()) return model;
  file.load(model.config.graph);
  if (model.config.compile)
    if (auto optimizer = file.optimizer_state(model.config.graph, model.config.compile->optimizer.description()))
      model.training.emplace().optimizer = std::move(*optimizer);
  return model;
}

ModelFile read_onnx_model(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  ModelFile model;
  model.config.graph = graph_from_onnx(io::read_file(path), path, folder.empty() ? "." : folder.string(), model.seed, &model.notes);
  if (auto test = model.notes.extract(self_test_key); !test.empty())
    model.self_test = self_test_from_text(test.mapped(), fmt::format("{}: {}", path, self_test_key));
  return model;
}

void write_onnx_model(const io::Sink& sink, const SavedModel& model) {
  Metadata metadata = *model.notes;
  if (model.self_test != nullptr) metadata.insert_or_assign(self_test_key, self_test_to_text(*model.self_test));
  write_onnx(model.graph, metadata, sink);
}

}  // namespace

std::uint64_t seed_from_text(const std::string& text, const std::string& where) {
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc() || end != text.data() + text.size())
    throw FormatError(fmt::format("{} is {}; a whole number from 0 to 2^64 - 1 is allowed", where, io::quote(text)));
  return seed;
}

ModelFile load_model(const std::string& path) {
  switch (kind_of(path)) {
    case FileKind::model_directory: {
      const std::string file = (std::filesystem::path(path) / "model.safetensors").string();
      return read_safetensors_model(io::read_file(file), file);
    }
    case FileKind::keras_directory: return read_keras_directory(path);
    case FileKind::keras: return read_keras(io::read_file(path), path);
    case FileKind::hdf5: return read_h5(io::read_file(path), path);
    case FileKind::safetensors: return read_safetensors_model(io::read_file(path), path);
    case FileKind::onnx: return read_onnx_model(path);
    case FileKind::json: {
      ModelFile model;
      model.config = model_from_json(io::parse_json(io::text_of(io::read_file(path, io::JsonLimits{}.bytes)), path), path, model.seed);
      return model;
    }
    default: refuse(path, "a model", models_read);
  }
}

void save_model(const std::string& path, const SavedModel& model) {
  if (path.ends_with(".keras")) {
    io::write_file_in_parts(path, [&](const io::Sink& sink) { write_keras(sink, model); });
  } else if (path.ends_with(".h5")) {
    io::Hdf5Writer file = legacy_h5(model.graph, model_to_json(model.graph, model.compile), model.optimizer_description(), model.optimizer_state());
    io::write_file_in_parts(path, [&](const io::Sink& sink) { file.write(sink); });
  } else if (path.ends_with(".onnx")) {
    io::write_file_in_parts(path, [&](const io::Sink& sink) { write_onnx_model(sink, model); });
  } else if (path.ends_with(".safetensors")) {
    write_safetensors_model(path, model);
  } else {
    write_model_directory(path, model);
  }
}

}  // namespace linn::detail::formats
