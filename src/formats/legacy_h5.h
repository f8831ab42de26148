// The .h5 files of Keras 2, which Keras 3 still writes: a whole model, or weights alone. Layers are matched by their order.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "graph/graph.h"
#include "io/hdf5.h"
#include "io/json.h"
#include "linn/formats.h"
#include "optim/optimizers.h"

namespace linn::detail::formats {

class LegacyH5 {
 public:
  /// The bytes must outlive this.
  LegacyH5(std::span<const std::byte> bytes, const std::string& where);
  /// Whether it is such a file, and not one of Keras 3's weight files.
  static bool is_legacy(const io::Hdf5Group& root);

  /// The whole model's node, with what it was compiled with as Keras 3 writes it; null for a file of weights.
  io::Json config() const;
  /// Puts the weights into the layers, in order or `by_name`; with names, layers of either side that the other lacks are left alone.
  LoadReport load(graph::Graph& graph, bool by_name = false, bool skip_mismatch = false) const;
  /// As KerasWeights::optimizer_state, of files that Keras 3 wrote.
  std::optional<OptimizerState> optimizer_state(const graph::Graph& graph, const OptimizerDescription& optimizer) const;

 private:
  io::Hdf5Group root_;
  std::string where_;
};

/// The file as Keras 3 would write it. `state` may be null.
io::Hdf5Writer legacy_h5(const graph::Graph& graph, const io::Json& config, const OptimizerDescription* optimizer,
                         const OptimizerState* state);
/// The weights alone.
io::Hdf5Writer legacy_h5_weights(const graph::Graph& graph);

}  // namespace linn::detail::formats
