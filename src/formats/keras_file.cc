#include "formats/keras_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <vector>

#include "formats/keras_weights.h"
#include "io/bytes.h"
#include "io/json.h"
#include "io/text.h"
#include "io/zip.h"
#include "linn/error.h"

namespace linn::detail::formats {
namespace {

constexpr const char* config_name = "config.json";
constexpr const char* weights_name = "model.weights.h5";
constexpr const char* metadata_name = "metadata.json";
constexpr const char* self_test_name = "assets/linn_selftest.npz";
constexpr const char* layout_of = "3.15.1";  // the Keras that writes such files

const io::ZipMember& wanted(const io::ZipReader& zip, const char* name) {
  const io::ZipMember* member = zip.find(name);
  if (member == nullptr)
    io::format_error(zip.where(), "there is no \"{}\" in the archive; a .keras file has {} and {}", name, config_name, weights_name);
  return *member;
}

// Our own part of metadata.json, which Keras does not read: {"linn": {"seed": ..., "passes": ..., "notes": {...}}}. Gives the passes.
std::int64_t read_metadata(ModelFile& model, std::string_view text, const std::string& where) {
  const io::Json json = io::parse_json(text, where);
  const std::string version = io::string_field_or(json, "keras_version", where, "3");
  if (!version.starts_with("2.") && !version.starts_with("3"))
    io::format_error(where, "Keras {} wrote it; linn reads the files of Keras 2 and 3", io::quote(version));
  const io::Json* own = io::find_field(json, "linn", where);
  if (own == nullptr) return 0;
  const std::string place = where + ": linn";
  const std::string seed = io::string_field_or(*own, "seed", place, "0");
  model.seed = seed_from_text(seed, place);
  if (const io::Json* notes = io::find_field(*own, "notes", place))
    for (const auto& [key, value] : notes->items()) model.notes[key] = io::string_field(*notes, key, place);
  return io::integer_field_or(*own, "passes", place, 0, 0);
}

std::string metadata_text(const SavedModel& model) {
  io::Json notes = io::Json::object();
  for (const auto& [key, value] : *model.notes) notes[key] = value;
  return io::dump_json({{"keras_version", layout_of}, {"linn",
                         {{"seed", fmt::format("{}", model.seed)},
                          {"passes", model.training != nullptr ? model.training->passes : 0},
                          {"notes", std::move(notes)}}}});
}

// The variables, where the configuration says the shape of the input; else there are none yet.
void read_weights(ModelFile& model, std::span<const std::byte> bytes, const std::string& where) {
  if (!model.config.graph.built()) return;
  const KerasWeights weights(bytes, where);
  weights.load(model.config.graph);
  if (!model.config.compile) return;
  if (auto optimizer = weights.optimizer_state(model.config.graph, model.config.compile->optimizer.description()))
    model.training.emplace().optimizer = std::move(*optimizer);
}

}  // namespace

void use_weights(const io::ZipReader& zip, const std::function<void(std::span<const std::byte>, const std::string& where)>& use) {
  const io::ZipMember& weights = wanted(zip, weights_name);
  if (weights.deflated)
    use(zip.read(weights), zip.where(weights));
  else
    use(zip.stored(weights), zip.where(weights));
}

ModelFile read_keras(std::span<const std::byte> archive, const std::string& where) {
  const io::ZipReader zip(archive, where);
  const io::ZipMember& config = wanted(zip, config_name);
  ModelFile model;
  std::int64_t passes = 0;
  if (const io::ZipMember* metadata = zip.find(metadata_name)) passes = read_metadata(model, io::text_of(zip.read(*metadata)), zip.where(*metadata));
  model.config = model_from_json(io::parse_json(io::text_of(zip.read(config)), zip.where(config)), zip.where(config), std::nullopt);
  use_weights(zip, [&](std::span<const std::byte> weights, const std::string& place) { read_weights(model, weights, place); });
  if (model.training) model.training->passes = passes;
  if (const io::ZipMember* test = zip.find(self_test_name)) model.self_test = self_test_from_npz(zip.read(*test), zip.where(*test));
  return model;
}

ModelFile read_keras_directory(const std::string& directory) {
  const auto inside = [&](const char* name) { return (std::filesystem::path(directory) / name).string(); };
  const std::string config = inside(config_name), weights = inside(weights_name);
  ModelFile model;
  model.config = model_from_json(io::parse_json(io::text_of(io::read_file(config, io::JsonLimits{}.bytes)), config), config, std::nullopt);
  read_weights(model, io::read_file(weights), weights);
  return model;
}

void write_keras(const io::Sink& sink, const SavedModel& model) {
  io::ZipWriter zip(sink);
  const auto add_text = [&](const char* name, const std::string& text) { zip.add(name, io::bytes_of(text)); };
  add_text(metadata_name, metadata_text(model));
  add_text(config_name, io::dump_json(model_to_json(model.graph, model.compile)));
  io::Hdf5Writer weights = keras_weights(model.graph, model.optimizer_description(), model.optimizer_state());
  zip.add_parts(weights_name, weights.parts());
  if (model.self_test != nullptr) zip.add(self_test_name, self_test_to_npz(*model.self_test));
  zip.finish();
}

}  // namespace linn::detail::formats
