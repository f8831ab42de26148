#include "plan/roofline.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "core/worker_pool.h"
#include "kernels/roofline.h"
#include "plan/device.h"

namespace linn::detail::plan {
namespace {

constexpr double wanted_seconds = 0.05;  // of each measurement
constexpr int least_rounds = 5;

// Bytes of a cache; a usual size if the system does not report it.
std::int64_t cache_bytes(int name, std::int64_t usual) {
  const std::int64_t bytes = ::sysconf(name);
  return bytes > 0 ? bytes : usual;
}

// Units of work per second and thread: the best of many short rounds, because other processes use the machine too.
double best_rate(const core::SharedPool& pool, double units_an_item, std::int64_t items, const core::Task& task) {
  double best = 0;
  double used = 0;
  for (int round = 0; round < least_rounds || used < wanted_seconds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    pool.run(items, task);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::max(best, units_an_item * static_cast<double>(items) / taken.count());
    used += taken.count();
  }
  return best / pool.threads();
}

double flops_rate(const core::SharedPool& pool) {
  constexpr std::int64_t multiply_add_rounds = 20'000;
  return best_rate(pool, kernels::multiply_adds(1) * multiply_add_rounds, 8 * pool.threads(),
                   [](std::int64_t, int) { kernels::multiply_adds(multiply_add_rounds); });
}

// Each worker copies between two arrays that fit its L2 cache, again and again.
double cache_rate(const core::SharedPool& pool) {
  constexpr int copies = 32;
  const std::int64_t count = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 512 << 10) / 4 / static_cast<std::int64_t>(sizeof(float));
  const int threads = pool.threads();
  std::vector<std::vector<float>> arrays(static_cast<std::size_t>(threads), std::vector<float>(static_cast<std::size_t>(2 * count)));
  return best_rate(pool, 2.0 * copies * static_cast<double>(count) * sizeof(float), 8 * threads, [&](std::int64_t, int worker) {
    float* array = arrays[static_cast<std::size_t>(worker)].data();
    for (int i = 0; i < copies; ++i) kernels::copy(array, array + count, count);
  });
}

// All workers copy pieces of one pair of arrays, which is far larger than the last cache.
double memory_rate(const core::SharedPool& pool) {
  constexpr std::int64_t piece = 1 << 18;
  const std::int64_t bytes = std::clamp<std::int64_t>(2 * cache_bytes(_SC_LEVEL3_CACHE_SIZE, 32 << 20), 32 << 20, 128 << 20);
  const std::int64_t pieces = bytes / static_cast<std::int64_t>(sizeof(float)) / piece;
  const Device::Memory memory = cpu().allocate(2 * bytes);
  auto* src = reinterpret_cast<float*>(memory.get());
  float* dst = src + pieces * piece;
  // The first write allocates the pages.
  pool.run(2 * pieces, [=](std::int64_t item, int) { std::fill_n(src + item * piece, piece, 1.0f); });
  return best_rate(pool, 2.0 * piece * sizeof(float), pieces,
                   [=](std::int64_t item, int) { kernels::copy(src + item * piece, dst + item * piece, piece); });
}

}  // namespace

Roofline measure_roofline() {
  const core::SharedPool pool = core::worker_pool();
  return {.flops = flops_rate(pool), .cache_bandwidth = cache_rate(pool), .memory_bandwidth = memory_rate(pool)};
}

}  // namespace linn::detail::plan
