// Weight files of Keras 3: model.weights.h5 in a .keras file, .weights.h5 alone, and in shards named by a .weights.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/memory.h"
#include "graph/graph.h"
#include "io/hdf5.h"
#include "linn/formats.h"
#include "optim/optimizers.h"

namespace linn::detail::formats {

/// The files that a .weights.json names, which lie beside it under plain names, each once. FormatError for anything else.
std::vector<std::string> shard_files(const std::string& path);

/// The variables in one file or, with shards, in several.
class KerasWeights {
 public:
  /// The bytes must outlive this.
  KerasWeights(std::span<const std::byte> bytes, const std::string& where);
  /// A .weights.json with its shards (shard_files).
  static KerasWeights of_shards(const std::string& path);

  /// Puts the variables into the layers that they belong to by class and order. All or nothing, and everything that does not fit is in one
  /// message (detail::Assignment).
  LoadReport load(graph::Graph& graph, bool skip_mismatch = false) const;
  /// What was saved of the optimizer; nothing where nothing was, or where it is another optimizer's.
  std::optional<OptimizerState> optimizer_state(const graph::Graph& graph, const OptimizerDescription& optimizer) const;

 private:
  KerasWeights() = default;
  void add(std::span<const std::byte> bytes, const std::string& where);
  /// The variables of PATH/vars by their number.
  std::map<std::size_t, io::Hdf5Dataset> variables(const std::string& path) const;

  std::string where_;
  std::string container_ = "layers";
  std::list<core::Bytes> shards_;  // what of_shards has read
  std::vector<io::Hdf5Group> roots_;
};

/// The file as Keras would write it. `state` may be null.
io::Hdf5Writer keras_weights(const graph::Graph& graph, const OptimizerDescription* optimizer, const OptimizerState* state);
/// Writes it to PATH.weights.h5, or for PATH.weights.json in shards of at most `shard_bytes`, which lie beside it. Each file is the old one
/// or the new one at every instant.
void save_keras_weights(const std::string& path, const graph::Graph& graph, std::uint64_t shard_bytes);

}  // namespace linn::detail::formats
