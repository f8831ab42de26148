// What a fit takes of memory, before it takes it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "graph/graph.h"
#include "linn/train.h"
#include "optim/optimizers.h"
#include "train/network.h"
#include "train/samples.h"

namespace linn::detail::train {

/// Bytes of a graph's variables, and of the slots that an optimizer keeps for those that are trained.
std::int64_t variable_bytes(const graph::Graph& graph);
std::int64_t slot_bytes(const graph::Graph& graph, const FrozenLayers& frozen, const OptimizerDescription& optimizer);
std::int64_t sample_bytes(const Samples& samples);

/// How a plan is judged.
struct MemoryBounds {
  std::int64_t asked = 0;                   // FitOptions::memory_limit; 0: none
  std::uint64_t system = 0;                 // core::memory_limit
  const char* system_is = "the machine";
  std::optional<std::uint64_t> address_space = {}, address_space_in_use = {};  // RLIMIT_AS, which counts what is mapped too
};
MemoryBounds memory_bounds(std::int64_t asked);

/// What a plan may take at the most: the least of the bounds, or 0 where there are none.
std::int64_t limit_of(const MemoryBounds& bounds);

/// Throws MemoryError where a fit with batches of `batch` does not fit: what it needs, what is there, and the largest power of two that fits as
/// batch_size. `slots_are_there`: they are allocated already. `work_space` gives the bytes for another batch.
void check_memory(const MemoryPlan& plan, const MemoryBounds& bounds, std::int64_t batch, bool slots_are_there,
                  const std::function<std::int64_t(std::int64_t batch)>& work_space);

}  // namespace linn::detail::train
