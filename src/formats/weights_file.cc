#include "formats/weights_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "formats/file_kind.h"
#include "formats/keras_file.h"
#include "formats/keras_weights.h"
#include "formats/legacy_h5.h"
#include "formats/pytorch_names.h"
#include "formats/safetensors.h"
#include "formats/training_state.h"
#include "io/file.h"
#include "io/npz.h"
#include "io/zip.h"
#include "layers/variables.h"
#include "linn/error.h"

namespace linn::detail::formats {
namespace {

constexpr std::string_view weights_read =
    "weights are read from .weights.h5, .weights.json, .h5, .keras, .safetensors and .npz files, and from a model's directory";

std::string owner_of(const graph::Graph& graph) { return fmt::format("model \"{}\"", graph.name()); }

// PyTorch counts the batches that a normalization saw; nothing reads that number.
bool counts_batches(std::string_view name) { return name.ends_with(".num_batches_tracked"); }

// The variables under their own names, or under PyTorch's where the file has one of those and none of ours.
LoadReport load_named(NamedTensors tensors, graph::Graph& graph, const std::string& where, bool skip_mismatch) {
  std::erase_if(tensors, [](const auto& tensor) { return counts_batches(tensor.first) || is_training_tensor(tensor.first); });
  std::set<std::string_view> given;
  for (const auto& [name, tensor] : tensors) given.insert(name);
  const std::vector<PyTorchVariable> theirs = pytorch_variables(graph);
  const bool keras = std::ranges::any_of(theirs, [&](const PyTorchVariable& place) { return given.contains(place.variable.name); });
  const bool pytorch = !keras && std::ranges::any_of(theirs, [&](const PyTorchVariable& place) { return given.contains(place.name); });
  std::vector<detail::NamedSource> sources;
  for (const PyTorchVariable& place : theirs) {
    if (pytorch)
      sources.push_back({place.variable, place.name, place.shape, [place](const Tensor& tensor) { return place.from_pytorch(tensor); }});
    else
      sources.push_back({place.variable, place.variable.name, place.variable.shape(), [](const Tensor& tensor) { return tensor; }});
  }
  return detail::assign_by_name(sources, tensors, owner_of(graph), where, skip_mismatch);
}

NamedTensors read_npz(std::span<const std::byte> bytes, const std::string& where) {
  const io::ZipReader zip(bytes, where);
  NamedTensors tensors;
  for (const io::ZipMember& member : zip.members()) {
    if (member.directory()) continue;
    std::string name = member.name;
    if (name.ends_with(".npy")) name.resize(name.size() - std::string_view(".npy").size());
    tensors.emplace_back(std::move(name), io::read_array(zip, member));
  }
  return tensors;
}

LoadReport load_h5(const std::string& path, graph::Graph& graph, const LoadWeightsOptions& options) {
  const core::Bytes bytes = io::read_file(path);
  if (LegacyH5::is_legacy(io::Hdf5File(bytes, path).root()))
    return LegacyH5(bytes, path).load(graph, options.by_name, options.skip_mismatch);
  if (options.by_name) throw ValueError(fmt::format("load_weights: {}: by_name is for legacy .h5 files; this one names no layers", path));
  return KerasWeights(bytes, path).load(graph, options.skip_mismatch);
}

LoadReport load_keras(const std::string& path, graph::Graph& graph, bool skip_mismatch) {
  const core::Bytes bytes = io::read_file(path);
  LoadReport report;
  use_weights(io::ZipReader(bytes, path), [&](std::span<const std::byte> weights, const std::string& where) {
    report = KerasWeights(weights, where).load(graph, skip_mismatch);
  });
  return report;
}

// The layers' names and layouts for files of named tensors.
NamedTensors named(const graph::Graph& graph, WeightLayout layout) {
  NamedTensors tensors;
  if (layout.kind() == WeightLayout::keras) {
    for (const graph::GraphVariable& variable : graph.variables()) tensors.emplace_back(variable.name, variable.value());
    return tensors;
  }
  for (const PyTorchVariable& variable : pytorch_variables(graph)) {
    tensors.emplace_back(variable.name, variable.to_pytorch());
    if (variable.name.ends_with(".running_var"))
      tensors.emplace_back(variable.name.substr(0, variable.name.rfind('.')) + ".num_batches_tracked", Tensor(Shape{}, DType::i64));
  }
  return tensors;
}

void write_npz(const io::Sink& sink, const NamedTensors& tensors) {
  io::ZipWriter zip(sink);
  for (const auto& [name, tensor] : tensors) io::add_array(zip, name, tensor);
  zip.finish();
}

}  // namespace

LoadReport load_weights(const std::string& path, graph::Graph& graph, const LoadWeightsOptions& options) {
  const FileKind kind = kind_of(path);
  if (options.by_name && kind != FileKind::hdf5) throw ValueError(fmt::format("load_weights: {}: by_name is for legacy .h5 files", path));
  switch (kind) {
    case FileKind::hdf5: return load_h5(path, graph, options);
    case FileKind::keras: return load_keras(path, graph, options.skip_mismatch);
    case FileKind::json:
    case FileKind::shards: return KerasWeights::of_shards(path).load(graph, options.skip_mismatch);
    case FileKind::safetensors: return load_named(load_safetensors(path), graph, path, options.skip_mismatch);
    case FileKind::model_directory: return load_named(load_safetensors(path + "/model.safetensors"), graph, path, options.skip_mismatch);
    case FileKind::npz: return load_named(read_npz(io::read_file(path), path), graph, path, options.skip_mismatch);
    default: refuse(path, "a file of weights", weights_read);
  }
}

void save_weights(const std::string& path, const graph::Graph& graph, const SaveWeightsOptions& options) {
  if (path.ends_with(".weights.h5") || path.ends_with(".weights.json")) return save_keras_weights(path, graph, options.max_shard_size);
  if (path.ends_with(".h5")) {
    io::Hdf5Writer file = legacy_h5_weights(graph);
    return io::write_file_in_parts(path, [&](const io::Sink& sink) { file.write(sink); });
  }
  const NamedTensors tensors = named(graph, options.layout);
  if (path.ends_with(".npz")) return io::write_file_in_parts(path, [&](const io::Sink& sink) { write_npz(sink, tensors); });
  save_safetensors(path, tensors, with_checksums(tensors, {}));
}

}  // namespace linn::detail::formats
