#include "core/worker_pool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/float_environment.h"
#include "linn/error.h"

namespace linn::detail::core {
namespace {

TEST(WorkerPool, EveryItemOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    WorkerPool pool(threads);
    EXPECT_LE(pool.threads(), threads);
    for (const std::int64_t items : {0, 1, 2, 7, 100, 1000}) {
      std::vector<std::atomic<int>> done(static_cast<std::size_t>(items));
      pool.run(items, [&](std::int64_t item, int worker) {
        ASSERT_GE(worker, 0);
        ASSERT_LT(worker, threads);
        done[static_cast<std::size_t>(item)].fetch_add(1);
      });
      for (const auto& count : done) EXPECT_EQ(count.load(), 1);
    }
  }
}

TEST(WorkerPool, ManyShortRounds) {
  WorkerPool pool(4);
  std::atomic<std::int64_t> total{0};
  for (int round = 0; round < 3000; ++round) {
    pool.run(5, [&](std::int64_t item, int) { total.fetch_add(item); });
    if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));  // let the workers fall asleep
  }
  EXPECT_EQ(total.load(), 3000 * 10);
}

// A round ends without the workers that wake up too late for it. They must touch nothing of it, nor of the next one's items twice.
TEST(WorkerPool, RoundsThatSleepingWorkersMiss) {
  WorkerPool pool(4);
  for (int round = 0; round < 400; ++round) {
    std::this_thread::sleep_for(std::chrono::microseconds(round % 40 * 10));
    for (int i = 0; i < 3; ++i) {
      std::vector<int> done(2, 0);  // of this round alone: who came late would write to memory that is gone
      const Task task = [&](std::int64_t item, int) { ++done[static_cast<std::size_t>(item)]; };
      pool.run(2, task);
      ASSERT_EQ(done, std::vector<int>({1, 1}));
    }
  }
}

TEST(WorkerPool, EachWorkerClaimsInOrderAndAlone) {
  WorkerPool pool(4);
  std::vector<std::vector<std::int64_t>> claimed(4);
  std::vector<std::atomic<int>> inside(4);
  pool.run(1000, [&](std::int64_t item, int worker) {
    const auto w = static_cast<std::size_t>(worker);
    EXPECT_EQ(inside[w].fetch_add(1), 0);
    claimed[w].push_back(item);
    inside[w].fetch_sub(1);
  });
  for (const auto& list : claimed) EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
}

TEST(WorkerPool, FirstExceptionComesOutAndThePoolLives) {
  for (const int threads : {1, 3}) {
    WorkerPool pool(threads);
    for (int round = 0; round < 50; ++round) {
      std::atomic<int> calls{0};
      try {
        pool.run(1000, [&](std::int64_t item, int) {
          calls.fetch_add(1);
          if (item % 10 == 3) throw std::runtime_error("item");
        });
        ADD_FAILURE() << "no exception";
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "item");
      }
      EXPECT_LT(calls.load(), 1000);
      std::atomic<int> after{0};
      pool.run(20, [&](std::int64_t, int) { after.fetch_add(1); });
      EXPECT_EQ(after.load(), 20);
    }
  }
}

TEST(WorkerPool, RunInsideATask) {
  WorkerPool pool(3);
  std::atomic<int> inner{0};
  pool.run(10, [&](std::int64_t, int) {
    pool.run(10, [&](std::int64_t, int worker) {
      EXPECT_EQ(worker, 0);
      inner.fetch_add(1);
    });
  });
  EXPECT_EQ(inner.load(), 100);
}

TEST(WorkerPool, RunFromSeveralThreads) {
  WorkerPool pool(3);
  std::atomic<int> total{0};
  std::vector<std::thread> users;
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        int mine = 0;
        std::atomic<int> shared{0};
        pool.run(10, [&](std::int64_t, int) { shared.fetch_add(1); });
        mine = shared.load();
        EXPECT_EQ(mine, 10);
        total.fetch_add(mine);
      }
    });
  for (std::thread& user : users) user.join();
  EXPECT_EQ(total.load(), 4 * 200 * 10);
}

TEST(WorkerPool, SetThreads) {
  const int before = worker_pool().threads();
  set_threads(2);
  EXPECT_EQ(worker_pool().threads(), 2);
  set_threads(1);
  EXPECT_EQ(worker_pool().threads(), 1);
  EXPECT_THROW(set_threads(0), ValueError);
  EXPECT_THROW(set_threads(1025), ValueError);
  EXPECT_EQ(worker_pool().threads(), 1);
  set_threads(before);
}

// Pools come and go while others run in them.
TEST(WorkerPool, SetThreadsWhileOthersRun) {
  const int before = worker_pool().threads();
  std::atomic<bool> over{false};
  std::atomic<int> rounds{0};
  std::vector<std::thread> users;
  for (int user = 0; user < 3; ++user)
    users.emplace_back([&] {
      while (!over.load() || rounds.load() < 100) {
        std::atomic<int> done{0};
        worker_pool().run(20, [&](std::int64_t, int) { done.fetch_add(1); });
        EXPECT_EQ(done.load(), 20);
        rounds.fetch_add(1);
      }
    });
  for (int i = 0; i < 60; ++i) set_threads(1 + i % 4);
  over.store(true);
  for (std::thread& user : users) user.join();
  set_threads(before);
}

// Memory for two workers is not passed to a third.
TEST(WorkerPool, NoMoreWorkersThanAreWanted) {
  WorkerPool pool(4);
  for (const int wanted : {1, 2, 3}) {
    std::atomic<int> done{0};
    pool.run(
        1000,
        [&](std::int64_t, int worker) {
          EXPECT_LT(worker, wanted);
          done.fetch_add(1);
        },
        wanted);
    EXPECT_EQ(done.load(), 1000);
  }
}

#if !defined(__SANITIZE_THREAD__)  // which does not support threads after a fork
void expect_child_works() {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(20);  // a hang must not outlive the test
    std::atomic<int> done{0};
    worker_pool().run(100, [&](std::int64_t, int) { done.fetch_add(1); });
    std::_Exit(done.load() == 100 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// AddressSanitizer's allocator, unlike glibc's, does not guard its locks at fork(): a worker that allocates while it
// starts would leave one locked in the child for ever. A round makes every worker get past its start.
void finish_starting() {
#if defined(__SANITIZE_ADDRESS__)
  worker_pool().run(10, [](std::int64_t, int) {});
#endif
}

TEST(WorkerPool, AForkedChildMakesItsOwn) {
  set_threads(3);
  worker_pool().run(10, [](std::int64_t, int) {});
  expect_child_works();
  worker_pool().run(10, [](std::int64_t, int) {});
}

// In a process in which set_threads made the pool and worker_pool() never did.
TEST(WorkerPoolDeathTest, AForkedChildMakesItsOwnAfterSetThreads) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        set_threads(3);
        finish_starting();
        expect_child_works();
        std::_Exit(::testing::Test::HasFailure() ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}
#endif

#if defined(__x86_64__)
TEST(FloatEnvironment, DefaultInsideOldOutside) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x8040 | 0x6000);  // flush to zero, denormals are zero, round towards zero
  const unsigned odd = _mm_getcsr();
  volatile float tiny = std::numeric_limits<float>::min(), half = 0.5f;
  const float flushed = tiny * half;
  EXPECT_EQ(flushed, 0);
  {
    const DefaultFloatEnvironment environment;
    const float kept = tiny * half;
    EXPECT_GT(kept, 0);
    EXPECT_EQ(_mm_getcsr() & 0x6000u, 0u);
  }
  EXPECT_EQ(_mm_getcsr() & 0xe040u, odd & 0xe040u);
  _mm_setcsr(before);
}

TEST(FloatEnvironment, WorkersHaveTheDefault) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x8040 | 0x6000);
  WorkerPool pool(3);  // its threads inherit this mode and must drop it
  std::atomic<int> wrong{0};
  pool.run(300, [&](std::int64_t, int worker) {
    if (worker != 0 && (_mm_getcsr() & 0xe040u) != 0) wrong.fetch_add(1);
  });
  _mm_setcsr(before);
  EXPECT_EQ(wrong.load(), 0);
}

// As a plan of training runs.
TEST(FloatEnvironment, WorkersFlushDenormalsWhereTheCallerDoes) {
  WorkerPool pool(3);
  const auto count_flushing = [&] {
    std::atomic<int> flushing{0};
    pool.run(300, [&](std::int64_t, int) {
      volatile float tiny = std::numeric_limits<float>::min(), half = 0.5f;
      if (tiny * half == 0.0f) flushing.fetch_add(1);
    });
    return flushing.load();
  };
  const unsigned before = _mm_getcsr();
  for (int i = 0; i < 3; ++i) {
    {
      const FloatEnvironment environment(flushing_float_mode);
      volatile float inexact = 1.0f / 3.0f;  // sets a flag of what happened, which is no part of the mode
      static_cast<void>(inexact);
      EXPECT_EQ(count_flushing(), 300);
    }
    EXPECT_EQ(count_flushing(), 0);
  }
  EXPECT_EQ(_mm_getcsr() & 0xffc0u, before & 0xffc0u);
}
#endif

}  // namespace
}  // namespace linn::detail::core
