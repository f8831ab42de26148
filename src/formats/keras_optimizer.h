// An optimizer's variables as Keras saves them: the steps, the learning rate unless a schedule gives it, the slots,
// and what all variables have in common.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "io/hdf5.h"
#include "linn/tensor.h"
#include "optim/optimizers.h"

namespace linn::detail::formats {

/// Nothing where the variables are not those of this optimizer on this graph, as Keras skips them too.
std::optional<OptimizerState> optimizer_state(std::span<const io::Hdf5Dataset> stored, const graph::Graph& graph,
                                              const OptimizerDescription& optimizer);
std::vector<Tensor> optimizer_variables(const OptimizerState& state, const OptimizerDescription& optimizer);

}  // namespace linn::detail::formats
