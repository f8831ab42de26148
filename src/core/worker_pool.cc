#include "core/worker_pool.h"

#include <fmt/format.h>
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/float_environment.h"
#include "core/thread_count.h"
#include "linn/error.h"

namespace linn::detail::core {
namespace {

// A step of a small network takes a millisecond and has several rounds; a futex wake-up costs 5 to 50 us.
// So workers spin for a while (about 20 us) before they sleep.
constexpr int spins_before_sleep = 4000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

struct WorkerPool::State {
  static constexpr int closed = 1 << 30;

  std::vector<std::thread> workers;
  std::atomic<bool> busy{false};  // a run is on; an atomic, because a task may call `run` on the thread that set it

  // A round: published by raising `round`. Workers come in while it is open; the caller closes it once all items are claimed, and waits
  // for those inside. It does not wait for workers that still wake up.
  const Task* task = nullptr;
  std::int64_t items = 0;
  int workers_wanted = 0;
  FloatMode float_mode = default_float_mode;  // of the workers in this round
  std::atomic<std::int64_t> next{0};
  std::atomic<int> inside{closed};  // workers that are in the round; with `closed` added, none may come in
  std::atomic<std::uint64_t> round{0};
  std::atomic<bool> stop{false};

  std::mutex sleep;
  std::condition_variable wake;
  std::atomic<int> sleeping{0};

  std::mutex failure_lock;
  std::exception_ptr failure;

  void work(int worker) {
    try {
      for (std::int64_t item = next.fetch_add(1); item < items; item = next.fetch_add(1)) (*task)(item, worker);
    } catch (...) {
      const std::lock_guard lock(failure_lock);
      if (!failure) failure = std::current_exception();
      next.store(items);
    }
  }

  void wait_for_round(std::uint64_t seen) {
    for (int i = 0; i < spins_before_sleep; ++i) {
      if (round.load() != seen || stop.load()) return;
      relax();
    }
    std::unique_lock lock(sleep);
    sleeping.fetch_add(1);
    wake.wait(lock, [&] { return round.load() != seen || stop.load(); });
    sleeping.fetch_sub(1);
  }

  void loop(int worker) {
    const DefaultFloatEnvironment environment;  // a thread inherits its maker's rounding mode
    for (std::uint64_t seen = 0;;) {
      wait_for_round(seen);
      if (stop.load()) return;
      seen = round.load();
      if (!come_in()) continue;
      set_float_mode(float_mode);
      if (worker < workers_wanted) work(worker);
      inside.fetch_sub(1);
    }
  }

  bool come_in() {
    for (int now = inside.load(); now < closed;)
      if (inside.compare_exchange_weak(now, now + 1)) return true;
    return false;
  }

  // On a machine with more threads than CPUs the last worker may be waiting for our CPU: give it up after a while.
  void close() {
    inside.fetch_add(closed);
    for (int i = 0; inside.load() != closed; ++i) i < spins_before_sleep ? relax() : std::this_thread::yield();
  }

  void dismiss() {
    {
      const std::lock_guard lock(sleep);
      stop.store(true);
      wake.notify_all();
    }
    for (std::thread& worker : workers) worker.join();
  }

  void wake_sleepers() {
    if (sleeping.load() == 0) return;
    const std::lock_guard lock(sleep);
    wake.notify_all();
  }
};

WorkerPool::WorkerPool(int threads) : state_(std::make_unique<State>()), threads_(threads) {
  try {
    for (int worker = 1; worker < threads; ++worker) state_->workers.emplace_back([s = state_.get(), worker] { s->loop(worker); });
  } catch (const std::system_error& error) {
    state_->dismiss();
    throw StateError(fmt::format("{} threads were asked for; the system gave {}: {}; ask for fewer (LINN_THREADS, --threads, set_threads)",
                                 threads, state_->workers.size() + 1, error.what()));
  }
}

WorkerPool::~WorkerPool() { state_->dismiss(); }

void WorkerPool::run(std::int64_t items, const Task& task, int workers) {
  State& s = *state_;
  const bool alone = threads_ == 1 || workers <= 1 || items <= 1 || s.busy.exchange(true);
  if (alone) {
    for (std::int64_t item = 0; item < items; ++item) task(item, 0);
    return;
  }
  s.task = &task;
  s.items = items;
  s.workers_wanted = workers;
  s.float_mode = float_mode_of_tasks();
  s.next.store(0);
  s.inside.store(0);
  s.round.fetch_add(1);
  s.wake_sleepers();
  s.work(0);
  s.close();
  const std::exception_ptr failure = std::exchange(s.failure, nullptr);
  s.busy.store(false);
  if (failure) std::rethrow_exception(failure);
}

namespace {

// One of the pieces of global state (see HACKING.md). The pointer to the pool is never destroyed at exit: a worker that still spins
// while static objects go would touch freed memory.
std::mutex pool_lock;
std::shared_ptr<WorkerPool>* the_pool = nullptr;

// Called under pool_lock.
void make_pool(int threads) {
  // After fork() the child has only the calling thread: the parent's pool is abandoned, not destroyed.
  static const int registered = pthread_atfork([] { pool_lock.lock(); }, [] { pool_lock.unlock(); },
                                               [] {
                                                 the_pool = nullptr;
                                                 pool_lock.unlock();
                                               });
  static_cast<void>(registered);
  the_pool = new std::shared_ptr<WorkerPool>(std::make_shared<WorkerPool>(threads));
}

}  // namespace

SharedPool worker_pool() {
  const std::lock_guard lock(pool_lock);
  if (the_pool == nullptr) make_pool(default_threads());
  return SharedPool(*the_pool);
}

void set_threads(int threads) {
  check_threads(threads, "threads");
  const std::unique_ptr<std::shared_ptr<WorkerPool>> old = [&] {
    const std::lock_guard lock(pool_lock);
    if (the_pool != nullptr && (*the_pool)->threads() == threads) return std::unique_ptr<std::shared_ptr<WorkerPool>>();
    std::unique_ptr<std::shared_ptr<WorkerPool>> before(the_pool);
    try {
      make_pool(threads);
    } catch (...) {  // the system gave fewer threads: the old pool stays
      the_pool = before.release();
      throw;
    }
    return before;
  }();
  // `old` goes without the lock: where it is the last owner, it waits for its threads to end.
}

}  // namespace linn::detail::core
