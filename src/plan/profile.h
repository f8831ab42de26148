// Times of each op, gathered while a plan runs: what LINN_VERBOSE prints and profiles show.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "linn/profile.h"
#include "plan/plan.h"

namespace linn::detail::plan {

/// Whether the environment variable LINN_VERBOSE is set and not 0. Read once.
bool verbose();

/// Bytes that an op reads and writes.
struct Traffic {
  double bytes = 0;         // if each tensor is read or written once
  double memory_bytes = 0;  // the part of `bytes` in tensors that do not stay with one worker
};
/// Traffic of one run that does not depend on images, and traffic for each image. A variable that is changed in place counts as read and as
/// written; a kernel does not count if the op reads a packed copy of it.
Traffic traffic_of_run(const Plan& plan, int op);
Traffic traffic_of_image(const Plan& plan, int op);

/// The ops on batch values, in the order of the plan.
std::vector<Operation> operations_of(const Plan& plan);

/// Counters of one op on one worker. On a cache line of its own, so that workers do not slow each other.
struct alignas(64) Cell {
  std::int64_t calls = 0;
  std::int64_t images = 0;
  double seconds = 0;
};

/// Collects the times of ops, for each worker.
class OpTimes {
 public:
  OpTimes(const Plan& plan, int threads);

  /// Measures one call of an op: from construction to destruction.
  class Measure {
   public:
    Measure(OpTimes& times, int op, int worker, std::int64_t images)
        : cell_(times.cell(op, worker)), images_(images), start_(std::chrono::steady_clock::now()) {}
    ~Measure();
    Measure(const Measure&) = delete;
    Measure& operator=(const Measure&) = delete;

   private:
    Cell& cell_;
    std::int64_t images_;
    std::chrono::steady_clock::time_point start_;
  };

  /// Called at the beginning of each run of the plan.
  void count_run() { ++runs_; }
  /// Clears all counters.
  void clear();
  /// The profile of each op, summed over workers, in the order of the plan. Ops that never ran are left out.
  std::vector<OpProfile> rows() const;
  /// Prints the profile as a table; prints nothing if no op ran.
  void print(std::FILE* to) const;

 private:
  friend class Measure;
  Cell& cell(int op, int worker);
  Cell sum(int op) const;

  const Plan& plan_;
  int threads_;
  std::int64_t runs_ = 0;
  std::vector<Cell> cells_;
};

}  // namespace linn::detail::plan
