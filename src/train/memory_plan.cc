#include "train/memory_plan.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "core/limits.h"
#include "linn/error.h"

namespace linn::detail::train {
namespace {

bool fits(const MemoryPlan& plan, const MemoryBounds& bounds, bool slots_are_there) {
  if (plan.total() > limit_of(bounds) && limit_of(bounds) > 0) return false;
  if (!bounds.address_space || !bounds.address_space_in_use) return true;
  const auto more = static_cast<std::uint64_t>(plan.work_space + (slots_are_there ? 0 : plan.optimizer));
  return *bounds.address_space_in_use <= *bounds.address_space && more <= *bounds.address_space - *bounds.address_space_in_use;
}

}  // namespace

std::int64_t variable_bytes(const graph::Graph& graph) { return graph.parameters(false) * static_cast<std::int64_t>(sizeof(float)); }

std::int64_t slot_bytes(const graph::Graph& graph, const FrozenLayers& frozen, const OptimizerDescription& optimizer) {
  std::int64_t elements = 0;
  for (const graph::GraphVariable& variable : graph.variables())
    if (variable.trainable_but_for(frozen))
      for (const OptimizerSlot& slot : optimizer.slots({variable.shape(), variable.name})) elements += slot.shape.elements();
  return elements * static_cast<std::int64_t>(sizeof(float));
}

std::int64_t sample_bytes(const Samples& samples) {
  std::int64_t bytes = 0;
  for (const std::vector<Tensor>* tensors : {&samples.x, &samples.y, &samples.weight})
    for (const Tensor& tensor : *tensors)
      if (tensor.defined()) bytes += static_cast<std::int64_t>(tensor.bytes());
  return bytes;
}

MemoryBounds memory_bounds(std::int64_t asked) {
  const core::MemoryLimit system = core::memory_limit();
  MemoryBounds bounds{.asked = asked, .system = system.bytes, .system_is = system.what};
  ::rlimit space{};
  if (::getrlimit(RLIMIT_AS, &space) != 0 || space.rlim_cur == RLIM_INFINITY) return bounds;
  bounds.address_space = space.rlim_cur;
  bounds.address_space_in_use = core::address_space_in_use();
  return bounds;
}

std::int64_t limit_of(const MemoryBounds& bounds) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::uint64_t least = bounds.system;
  if (bounds.asked > 0) least = std::min(least, static_cast<std::uint64_t>(bounds.asked));
  return least > most ? 0 : static_cast<std::int64_t>(least);
}

void check_memory(const MemoryPlan& plan, const MemoryBounds& bounds, std::int64_t batch, bool slots_are_there,
                  const std::function<std::int64_t(std::int64_t batch)>& work_space) {
  if (fits(plan, bounds, slots_are_there)) return;
  MemoryPlan smaller = plan;
  std::int64_t fitting = batch == 1 ? 0 : static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(batch - 1)));
  for (; fitting > 0; fitting /= 2) {
    smaller.work_space = work_space(fitting);
    if (fits(smaller, bounds, slots_are_there)) break;
  }
  const bool is_asked = bounds.asked > 0 && limit_of(bounds) == bounds.asked;
  std::string there = fmt::format("{} may be used ({})", core::bytes_text(limit_of(bounds)), is_asked ? "memory_limit, `--memory-limit`" : bounds.system_is);
  if (plan.total() <= limit_of(bounds))
    there = fmt::format("of the {} that RLIMIT_AS (ulimit -v) allows the process holds {} already", core::bytes_text(static_cast<std::int64_t>(*bounds.address_space)),
                        core::bytes_text(static_cast<std::int64_t>(*bounds.address_space_in_use)));
  throw MemoryError(fmt::format("fit needs {}: weights {}, optimizer {}, work space {} for batches of {}, data {}; {}; {}", core::bytes_text(plan.total()),
                                core::bytes_text(plan.weights), core::bytes_text(plan.optimizer), core::bytes_text(plan.work_space), batch,
                                core::bytes_text(plan.data), there,
                                fitting > 0 ? fmt::format("try batches of {} (--batch-size {})", fitting, fitting)
                                            : std::string("no batch size is small enough; a smaller model or fewer samples need less")));
}

}  // namespace linn::detail::train
