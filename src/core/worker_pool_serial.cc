// The worker pool for platforms without threads: the same interface, all work on the caller.
#include "core/worker_pool.h"

#include "core/thread_count.h"

namespace linn::detail::core {

struct WorkerPool::State {};

WorkerPool::WorkerPool(int /*threads*/) : threads_(1) {}
WorkerPool::~WorkerPool() = default;

void WorkerPool::run(std::int64_t items, const Task& task, int /*workers*/) {
  for (std::int64_t item = 0; item < items; ++item) task(item, 0);
}

SharedPool worker_pool() {
  static const std::shared_ptr<WorkerPool> pool = std::make_shared<WorkerPool>(1);
  return SharedPool(pool);
}

void set_threads(int threads) { check_threads(threads, "threads"); }

}  // namespace linn::detail::core
