#include "plan/device.h"

#include <fmt/format.h>

#include <cstdlib>

#include "core/memory.h"
#include "linn/error.h"

namespace linn::detail::plan {
namespace {

class Cpu final : public Device {
 public:
  int workers() const override { return core::worker_pool().threads(); }

  Memory allocate(std::int64_t bytes) const override {
    auto* memory = static_cast<std::byte*>(core::allocate_huge(static_cast<std::size_t>(bytes)));
    if (memory == nullptr)
      throw MemoryError(fmt::format("the network's work space needs {:.1f} MiB, which could not be allocated; try a smaller batch_size",
                                    static_cast<double>(bytes) / (1 << 20)));
    return {memory, [](std::byte* p) { std::free(p); }};
  }

  void run(std::int64_t items, const core::Task& task, int workers) const override { core::worker_pool().run(items, task, workers); }
};

}  // namespace

const Device& cpu() {
  static const Cpu device;
  return device;
}

}  // namespace linn::detail::plan
