// Times of each op, gathered while a plan runs: what LINN_VERBOSE prints and profiles show.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "linn/profile.h"
#include "plan/plan.h"

namespace linn::plan {

/// Whether LINN_VERBOSE is set to something else than 0. Read once.
bool verbose();

/// Bytes that an op moves when each of its tensors is read or written once, and of these what does not stay with one worker.
struct Traffic {
  double bytes = 0;
  double memory_bytes = 0;
};
/// Of one run of the plan on no image, and of each image more. A variable that is changed in place counts as read and as written, a
/// kernel of which the op reads a packed copy does not count.
Traffic traffic_of_run(const Plan& plan, int op);
Traffic traffic_of_image(const Plan& plan, int op);

/// The ops that work on images, in the order of the plan.
std::vector<Operation> operations_of(const Plan& plan);

/// Of one op on one worker, on a cache line of its own.
struct alignas(64) Cell {
  std::int64_t calls = 0;
  std::int64_t images = 0;
  double seconds = 0;
};

/// Collects times by op and worker.
class OpTimes {
 public:
  OpTimes(const Plan& plan, int threads);

  /// Measures one call of an op, for as long as it lives.
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

  /// Says that a run of the plan begins.
  void count_run() { ++runs_; }
  /// Forgets all that was gathered.
  void clear();
  /// What each op did, summed over the workers, in the order of the plan; ops that never ran are left out.
  std::vector<OpProfile> rows() const;
  /// The same as a table for people; nothing if nothing ran.
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

}  // namespace linn::plan
