#include "formats/keras_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <utility>

#include "formats/keras_groups.h"
#include "formats/keras_optimizer.h"
#include "io/file.h"
#include "io/json.h"
#include "io/text.h"
#include "layers/variables.h"
#include "linn/error.h"

namespace linn::detail::formats {
namespace {

constexpr std::string_view optimizer_path = "optimizer";
constexpr const char* old_container = "_layer_checkpoint_dependencies";  // of Keras 2.12 and 2.13

std::optional<std::size_t> index_of(const std::string& name) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return index;
}

// "layers/a/layers/b" with the file's own word for "layers".
std::string in_container(const std::string& path, const std::string& container) {
  if (container == "layers") return path;
  std::string result;
  for (std::size_t first = 0; first < path.size();) {
    const std::size_t end = std::min(path.find('/', first), path.size());
    const std::string_view part = std::string_view(path).substr(first, end - first);
    result += fmt::format("{}{}", first == 0 ? "" : "/", part == "layers" ? container : part);
    first = end + 1;
  }
  return result;
}

std::string place_of(const std::string& path, std::size_t index) { return fmt::format("{}/vars/{}", path, index); }

bool holds_variables(const io::Hdf5Group& group) {
  const auto vars = group.find_group("vars");
  return vars && vars->size() > 0;
}

// Random layers keep the state of their seed in a file, which says nothing about the weights.
bool says_nothing(const std::string& name) { return name == "seed_generator" || name == "vars"; }

// Groups that hold variables and belong to no layer of the model.
void add_strays(const io::Hdf5Group& group, const std::string& path, const std::set<std::string>& known, detail::Assignment& assignment) {
  if (!known.contains(path) && holds_variables(group))
    assignment.add_problem(
        fmt::format("{} holds {} variables, and the model has no such layer", io::quote(path), group.group("vars").size()));
  for (const std::string& name : group.names()) {
    if (says_nothing(name) || !group.is_group(name)) continue;
    add_strays(group.group(name), path + "/" + name, known, assignment);
  }
}

}  // namespace

KerasWeights::KerasWeights(std::span<const std::byte> bytes, const std::string& where) : where_(where) { add(bytes, where); }

void KerasWeights::add(std::span<const std::byte> bytes, const std::string& where) {
  const io::Hdf5Group root = io::Hdf5File(bytes, where).root();
  if (!root.contains("layers") && root.contains(old_container)) container_ = old_container;
  roots_.push_back(root);
}

namespace {

// The names of the shards, each once. A shard lies beside the map: its name is never a path.
std::set<std::string> shard_names(const std::string& path) {
  const core::Bytes bytes = io::read_file(path, io::JsonLimits{}.bytes);
  const io::Json json = io::parse_json(io::text_of(bytes), path);
  std::set<std::string> names;
  const auto take = [&](const std::string& key, const io::Json& value) {
    const bool plain = value.is_string() &&
                       value.get_ref<const std::string&>().find_first_of(std::string("/\\\0", 3)) == std::string::npos &&
                       value.get_ref<const std::string&>().ends_with(".weights.h5");
    if (!plain)
      throw FormatError(fmt::format("{}: field \"weight_map\": {} is in {}; the name of a .weights.h5 file in the same folder is allowed",
                                    path, io::quote(key), io::describe(value)));
    names.insert(value.get<std::string>());
  };
  for (const auto& [key, value] : io::object_field(json, "weight_map", path).items()) {
    if (!value.is_array())
      take(key, value);
    else
      for (const io::Json& name : value) take(key, name);
  }
  return names;
}

}  // namespace

std::vector<std::string> shard_files(const std::string& path) {
  std::vector<std::string> files;
  for (const std::string& name : shard_names(path)) {
    files.push_back((std::filesystem::path(path).parent_path() / name).string());
    if (std::filesystem::is_symlink(files.back()))
      throw FormatError(fmt::format("{}: the shard {} is a symbolic link; shards must be files of their own", path, io::quote(name)));
  }
  return files;
}

KerasWeights KerasWeights::of_shards(const std::string& path) {
  KerasWeights weights;
  weights.where_ = path;
  for (const std::string& file : shard_files(path)) {
    weights.shards_.push_back(io::read_file(file));
    weights.add(weights.shards_.back(), file);
  }
  return weights;
}

std::map<std::size_t, io::Hdf5Dataset> KerasWeights::variables(const std::string& path) const {
  std::map<std::size_t, io::Hdf5Dataset> found;
  for (const io::Hdf5Group& root : roots_) {
    const auto vars = root.find_group(in_container(path, container_) + "/vars");
    if (!vars) continue;
    for (const std::string& name : vars->names()) {
      const std::optional<std::size_t> index = index_of(name);
      if (!index) throw FormatError(fmt::format("{}: {}: a number is wanted as the name of a variable", vars->where(), io::quote(name)));
      if (!found.emplace(*index, vars->dataset(name)).second)
        throw FormatError(fmt::format("{}: variable {} is in two files", vars->where(), *index));
    }
  }
  return found;
}

LoadReport KerasWeights::load(graph::Graph& graph, bool skip_mismatch) const {
  detail::Assignment assignment(fmt::format("model \"{}\"", graph.name()));
  std::set<std::string> known;
  for (const KerasGroup& group : keras_groups(graph)) {
    known.insert(in_container(group.path, container_));
    auto stored = variables(group.path);
    for (std::size_t i = 0; i < group.variables.size(); ++i) {
      const auto found = stored.find(i);
      if (found == stored.end()) {
        assignment.add_missing(group.variables[i], place_of(group.path, i));
        continue;
      }
      assignment.add(
          group.variables[i], found->second.shape(), [dataset = found->second] { return dataset.read(); }, place_of(group.path, i));
      stored.erase(found);
    }
    for (const auto& [index, dataset] : stored)
      assignment.add_problem(fmt::format("{} {} is there too, and layer \"{}\" has {} variables", place_of(group.path, index),
                                         dataset.shape().to_string(), group.name, group.variables.size()));
  }
  for (const io::Hdf5Group& root : roots_)
    if (const auto all = root.find_group(container_)) add_strays(*all, container_, known, assignment);
  return assignment.finish(where_, skip_mismatch);
}

std::optional<OptimizerState> KerasWeights::optimizer_state(const graph::Graph& graph, const OptimizerDescription& optimizer) const {
  std::vector<io::Hdf5Dataset> ordered;
  for (const auto& [index, dataset] : variables(std::string(optimizer_path))) ordered.push_back(dataset);
  return formats::optimizer_state(ordered, graph, optimizer);
}

io::Hdf5Writer keras_weights(const graph::Graph& graph, const OptimizerDescription* optimizer, const OptimizerState* state) {
  io::Hdf5Writer file;
  file.group("vars");
  file.attribute("vars", "name", graph.name());
  for (const KerasGroup& group : keras_groups(graph)) {
    file.group(group.path + "/vars");
    file.attribute(group.path + "/vars", "name", group.name);
    for (std::size_t i = 0; i < group.variables.size(); ++i) file.dataset(place_of(group.path, i), group.variables[i].value());
  }
  if (optimizer == nullptr || state == nullptr) return file;
  const std::string path(optimizer_path);
  std::size_t index = 0;
  for (const Tensor& variable : optimizer_variables(*state, *optimizer)) file.dataset(place_of(path, index++), variable);
  return file;
}

namespace {

// Puts variables into shards, one after the other, and keeps the map of them.
class ShardWriter {
 public:
  ShardWriter(const std::string& path, std::uint64_t shard_bytes) : path_(path), shard_bytes_(shard_bytes) {
    const std::string name = path_.filename().string();
    base_ = name.substr(0, name.size() - std::string_view(".weights.json").size());
  }

  void add(const KerasGroup& group) {
    for (std::size_t i = 0; i < group.variables.size(); ++i) {
      const Tensor& value = group.variables[i].value();
      if (value.bytes() > shard_bytes_)
        throw ValueError(fmt::format("save_weights: \"{}\" has {} bytes; a shard may have {}: set max_shard_size higher",
                                     group.variables[i].name, value.bytes(), shard_bytes_));
      if (size_ > 0 && size_ + value.bytes() > shard_bytes_) next();
      size_ += value.bytes();
      total_ += value.bytes();
      shard_.dataset(place_of(group.path, i), value);
      shard_.attribute(group.path + "/vars", "name", group.name);
      io::Json& files = map_["/" + group.path + "/vars"];
      if (files.is_null()) files = io::Json::array();
      if (files.empty() || files.back() != name_of_shard()) files.push_back(name_of_shard());
    }
  }

  /// The map comes last: until then nothing names the new shards.
  void finish() {
    next();
    const io::Json json = {{"metadata", {{"total_size", static_cast<double>(total_)}}}, {"weight_map", map_}};
    const std::string text = io::dump_json(json, 4);
    io::write_file_atomically(path_.string(), io::bytes_of(text));
  }

 private:
  std::string name_of_shard() const { return fmt::format("{}_{:05}.weights.h5", base_, shards_); }
  void next() {
    io::write_file_in_parts((path_.parent_path() / name_of_shard()).string(), [&](const io::Sink& sink) { shard_.write(sink); });
    shard_ = io::Hdf5Writer();
    size_ = 0;
    ++shards_;
  }

  std::filesystem::path path_;
  std::string base_;
  std::uint64_t shard_bytes_;
  std::uint64_t size_ = 0, total_ = 0;
  int shards_ = 0;
  io::Hdf5Writer shard_;
  io::Json map_ = io::Json::object();
};

}  // namespace

void save_keras_weights(const std::string& path, const graph::Graph& graph, std::uint64_t shard_bytes) {
  if (!path.ends_with(".json")) {
    io::Hdf5Writer file = keras_weights(graph, nullptr, nullptr);
    return io::write_file_in_parts(path, [&](const io::Sink& sink) { file.write(sink); });
  }
  ShardWriter shards(path, shard_bytes);
  for (const KerasGroup& group : keras_groups(graph)) shards.add(group);
  shards.finish();
}

}  // namespace linn::detail::formats
