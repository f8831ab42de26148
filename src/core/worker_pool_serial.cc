// The worker pool for platforms without threads: the same interface, all work on the caller.
#include "core/worker_pool.h"

#include "core/thread_count.h"

namespace linn::core {

struct WorkerPool::State {};

WorkerPool::WorkerPool(int /*threads*/) : threads_(1) {}
WorkerPool::~WorkerPool() = default;

void WorkerPool::run(std::int64_t items, const Task& task) {
  for (std::int64_t item = 0; item < items; ++item) task(item, 0);
}

WorkerPool& worker_pool() {
  static WorkerPool pool(1);
  return pool;
}

void set_threads(int threads) { check_threads(threads, "threads"); }

}  // namespace linn::core
