// Worker threads that claim numbered pieces of work. Who does a piece never changes its result.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <utility>

namespace linn::detail::core {

/// Called once for each item with the number of the worker (0 .. threads-1) that does it.
/// Two calls with the same worker number never run at the same time within one `run`.
using Task = std::function<void(std::int64_t item, int worker)>;

class WorkerPool {
 public:
  /// `threads` counts the caller; 1 starts no thread. Throws StateError when the system gives fewer.
  explicit WorkerPool(int threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int threads() const { return threads_; }

  /// Runs task(0), ..., task(items-1) and returns when all are done; items are claimed in order.
  /// The caller works too. Called while another thread's run is on, or from inside a task, it does all items
  /// itself, as worker 0. The first exception of a task is thrown here after the others have stopped;
  /// items not yet claimed are then skipped. Workers with numbers of `workers` and above take no part.
  void run(std::int64_t items, const Task& task, int workers = std::numeric_limits<int>::max());

 private:
  struct State;
  std::unique_ptr<State> state_;
  int threads_;
};

/// The process's pool as it is now. Whoever holds it keeps it alive when `set_threads` puts another in its place.
class SharedPool {
 public:
  explicit SharedPool(std::shared_ptr<WorkerPool> pool) : pool_(std::move(pool)) {}
  int threads() const { return pool_->threads(); }
  void run(std::int64_t items, const Task& task, int workers = std::numeric_limits<int>::max()) const { pool_->run(items, task, workers); }

 private:
  std::shared_ptr<WorkerPool> pool_;
};

/// Made at first use with LINN_THREADS threads, or one for each CPU the process may use. A forked child makes its own.
SharedPool worker_pool();

/// Replaces the process's pool. May be called at any time: runs that are on end in the old pool, which then goes. Who prepared memory for
/// a number of workers says so in `run`, for the next pool may have more. Throws ValueError below 1 or above 1024.
void set_threads(int threads);

}  // namespace linn::detail::core
