// Where a workspace has its memory, and who runs its pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/worker_pool.h"

namespace linn::detail::plan {

/// All that a Workspace asks of the machine it runs on. Kernels compute on the memory that `allocate` gives, in the calls of `run`.
class Device {
 public:
  using Memory = std::unique_ptr<std::byte, void (*)(std::byte*)>;

  virtual ~Device() = default;
  /// How many pieces may run at a time. A workspace goes on with the number it was made for; `fits_device` says whether that is still this.
  virtual int workers() const = 0;
  /// Memory aligned to 64 bytes or more, not set to anything. Throws MemoryError with the size that was needed.
  virtual Memory allocate(std::int64_t bytes) const = 0;
  /// Runs task(0, worker), ..., task(items - 1, worker) with workers below `workers`, and returns when all are done. Pieces begin in order.
  virtual void run(std::int64_t items, const core::Task& task, int workers) const = 0;
};

/// The CPU: the process's worker pool, and memory in huge pages if the system has them.
const Device& cpu();

}  // namespace linn::detail::plan
