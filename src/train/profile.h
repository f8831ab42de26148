// Sequential::profile: steps of a network under the clock, on a copy of its variables.
#pragma once

#include <cstdint>

#include "formats/model_json.h"
#include "graph/graph.h"
#include "linn/dataset.h"
#include "linn/profile.h"

namespace linn::detail::train {

/// `compile` may be null for prediction, `batches` where options.x or random numbers are computed on. Throws as `fit` and `predict` do for data that do
/// not fit, ValueError for sizes out of range.
Profile profile(const graph::Graph& graph, const formats::CompileConfig* compile, std::uint64_t seed, DTypePolicy dtype_policy,
                const ProfileOptions& options, const Dataset* batches = nullptr);

}  // namespace linn::detail::train
