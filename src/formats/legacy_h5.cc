#include "formats/legacy_h5.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "formats/keras_groups.h"
#include "formats/keras_optimizer.h"
#include "io/text.h"
#include "layers/variables.h"
#include "linn/error.h"
#include "optim/described.h"

namespace linn::detail::formats {
namespace {

constexpr const char* weights_path = "model_weights";
constexpr const char* top_level = "top_level_model_weights";  // of variables that belong to no layer: linn's models have none
constexpr const char* wrote_by = "3.15.1";                    // the Keras whose layout this is

// A list of texts; long ones are cut into NAME0, NAME1, ...
std::vector<std::string> texts(const io::Hdf5Object& object, const std::string& name) {
  if (const auto whole = object.attribute(name)) return whole->texts();
  std::vector<std::string> all;
  for (int part = 0;; ++part) {
    const auto attribute = object.attribute(fmt::format("{}{}", name, part));
    if (!attribute) {
      if (part == 0) throw FormatError(fmt::format("{}: attribute \"{}\" is missing", object.where(), name));
      return all;
    }
    const std::vector<std::string>& more = attribute->texts();
    all.insert(all.end(), more.begin(), more.end());
  }
}

io::Json json_attribute(const io::Hdf5Object& object, const std::string& name) {
  const auto attribute = object.attribute(name);
  if (!attribute) return nullptr;
  return io::parse_json(attribute->text(), fmt::format("{}: attribute \"{}\"", object.where(), name));
}

std::string text_attribute(const io::Hdf5Object& object, const std::string& name) {
  const auto attribute = object.attribute(name);
  return attribute && attribute->is_text() && std::holds_alternative<std::string>(attribute->value) ? attribute->text() : std::string();
}

struct StoredLayer {
  std::string name;
  std::vector<std::pair<std::string, io::Hdf5Dataset>> weights;
};

std::vector<StoredLayer> stored_layers(const io::Hdf5Group& group) {
  std::vector<StoredLayer> layers;
  for (const std::string& name : texts(group, "layer_names")) {
    const io::Hdf5Group inside = group.group(name);
    StoredLayer layer{.name = name, .weights = {}};
    for (const std::string& weight : texts(inside, "weight_names")) layer.weights.emplace_back(weight, inside.dataset(weight));
    if (!layer.weights.empty()) layers.push_back(std::move(layer));
  }
  return layers;
}

void add_layer(detail::Assignment& assignment, const KerasGroup& group, const StoredLayer& layer) {
  if (layer.weights.size() != group.variables.size()) {
    assignment.add_problem(fmt::format("layer \"{}\" has {} variables, and {} in the file {}", group.name, group.variables.size(),
                                       io::quote(layer.name), layer.weights.size()));
    return;
  }
  for (std::size_t i = 0; i < layer.weights.size(); ++i) {
    const auto& [place, dataset] = layer.weights[i];
    assignment.add(
        group.variables[i], dataset.shape(), [dataset = dataset] { return dataset.read(); }, fmt::format("{}/{}", layer.name, place));
  }
}

void add_in_order(detail::Assignment& assignment, const std::vector<KerasGroup>& groups, const std::vector<StoredLayer>& layers) {
  for (std::size_t i = 0; i < std::max(groups.size(), layers.size()); ++i) {
    if (i >= layers.size())
      for (const graph::GraphVariable& variable : groups[i].variables) assignment.add_missing(variable);
    else if (i >= groups.size())
      assignment.add_problem(
          fmt::format("{} holds {} variables, and the model has no such layer", io::quote(layers[i].name), layers[i].weights.size()));
    else
      add_layer(assignment, groups[i], layers[i]);
  }
}

void add_by_name(detail::Assignment& assignment, const std::vector<KerasGroup>& groups, const std::vector<StoredLayer>& layers) {
  std::map<std::string, const StoredLayer*> named;
  for (const StoredLayer& layer : layers) named[layer.name] = &layer;
  for (const KerasGroup& group : groups)
    if (const auto found = named.find(group.name); found != named.end()) add_layer(assignment, group, *found->second);
}

}  // namespace

LegacyH5::LegacyH5(std::span<const std::byte> bytes, const std::string& where) : root_(io::Hdf5File(bytes, where).root()), where_(where) {}

bool LegacyH5::is_legacy(const io::Hdf5Group& root) {
  return root.is_group(weights_path) || root.has_attribute("layer_names") || root.has_attribute("layer_names0") ||
         root.has_attribute("model_config");
}

io::Json LegacyH5::config() const {
  io::Json model = json_attribute(root_, "model_config");
  if (!model.is_object()) return nullptr;
  if (const std::string version = text_attribute(root_, "keras_version"); !version.empty() && !model.contains("keras_version"))
    model["keras_version"] = version;
  io::Json training = json_attribute(root_, "training_config");
  if (!training.is_object()) return model;
  if (training.contains("optimizer_config")) {
    io::Json optimizer = training["optimizer_config"];
    // From version 2.11 on Keras 2 names optimizers so.
    if (constexpr std::string_view prefix = "Custom>"; optimizer.is_object())
      if (const std::string name = optimizer.value("class_name", ""); name.starts_with(prefix)) optimizer["class_name"] = name.substr(prefix.size());
    training["optimizer"] = std::move(optimizer);
    training.erase("optimizer_config");
  }
  model["compile_config"] = std::move(training);
  return model;
}

LoadReport LegacyH5::load(graph::Graph& graph, bool by_name, bool skip_mismatch) const {
  const io::Hdf5Group group = root_.is_group(weights_path) ? root_.group(weights_path) : root_;
  const std::vector<StoredLayer> layers = stored_layers(group);
  std::vector<KerasGroup> groups = legacy_groups(graph);
  std::erase_if(groups, [](const KerasGroup& layer) { return layer.variables.empty(); });
  detail::Assignment assignment(fmt::format("model \"{}\"", graph.name()));
  if (by_name)
    add_by_name(assignment, groups, layers);
  else
    add_in_order(assignment, groups, layers);
  return assignment.finish(where_, skip_mismatch);
}

std::optional<OptimizerState> LegacyH5::optimizer_state(const graph::Graph& graph, const OptimizerDescription& optimizer) const {
  if (!text_attribute(root_, "keras_version").starts_with("3.")) return std::nullopt;  // others keep other variables
  const auto group = root_.find_group("optimizer_weights");
  if (!group) return std::nullopt;
  std::vector<io::Hdf5Dataset> stored;
  for (const std::string& name : texts(*group, "weight_names")) stored.push_back(group->dataset(name));
  return formats::optimizer_state(stored, graph, optimizer);
}

namespace {

// Lists of names that do not fit into one attribute are cut, as Keras cuts them.
void put_texts(io::Hdf5Writer& file, const std::string& path, const std::string& name, std::vector<std::string> texts) {
  constexpr std::size_t most = 2'000;  // a reference of sixteen bytes each; an attribute may have 64,512 bytes
  if (texts.size() <= most) {
    file.attribute(path, name, std::move(texts));
    return;
  }
  for (std::size_t first = 0, part = 0; first < texts.size(); first += most, ++part) {
    const auto from = texts.begin() + static_cast<std::ptrdiff_t>(first);
    const auto to = texts.begin() + static_cast<std::ptrdiff_t>(std::min(first + most, texts.size()));
    file.attribute(path, fmt::format("{}{}", name, part), std::vector<std::string>(from, to));
  }
}

void put_weights(io::Hdf5Writer& file, const std::string& path, const graph::Graph& graph) {
  const auto inside = [&](const std::string& name) { return path.empty() ? name : path + "/" + name; };
  std::vector<std::string> names;
  for (const KerasGroup& group : legacy_groups(graph)) {
    names.push_back(group.name);
    file.group(inside(group.name));
    std::vector<std::string> weights;
    for (const graph::GraphVariable& variable : group.variables) {
      weights.push_back(fmt::format("{}/{}", graph.name(), variable.name));
      file.dataset(inside(group.name) + "/" + weights.back(), variable.value());
    }
    put_texts(file, inside(group.name), "weight_names", std::move(weights));
  }
  file.group(inside(top_level));
  put_texts(file, inside(top_level), "weight_names", {});
  put_texts(file, path, "layer_names", std::move(names));
  file.attribute(path, "backend", std::string("linn"));
  file.attribute(path, "keras_version", std::string(wrote_by));
}

}  // namespace

io::Hdf5Writer legacy_h5_weights(const graph::Graph& graph) {
  io::Hdf5Writer file;
  put_weights(file, "", graph);
  return file;
}

io::Hdf5Writer legacy_h5(const graph::Graph& graph, const io::Json& config, const OptimizerDescription* optimizer,
                         const OptimizerState* state) {
  io::Hdf5Writer file;
  io::Json model = {{"class_name", config["class_name"]}, {"config", config["config"]}};
  file.attribute("", "model_config", io::dump_json(model));
  if (config.contains("compile_config")) {
    io::Json training = config["compile_config"];
    for (const char* key : {"loss_weights", "weighted_metrics", "sample_weight_mode"})  // Keras asks for all of them
      if (!training.contains(key)) training[key] = nullptr;
    training["optimizer_config"] = training["optimizer"];
    training.erase("optimizer");
    file.attribute("", "training_config", io::dump_json(training));
  }
  file.attribute("", "backend", std::string("linn"));
  file.attribute("", "keras_version", std::string(wrote_by));
  file.group(weights_path);
  put_weights(file, weights_path, graph);
  if (optimizer == nullptr || state == nullptr) return file;
  std::vector<std::string> names;
  file.group("optimizer_weights");
  for (const Tensor& variable : optimizer_variables(*state, *optimizer)) {
    names.push_back(fmt::format("{}/{}", io::lower_case(optimizer->class_name()), names.size()));
    file.dataset("optimizer_weights/" + names.back(), variable);
  }
  put_texts(file, "optimizer_weights", "weight_names", std::move(names));
  return file;
}

}  // namespace linn::detail::formats
