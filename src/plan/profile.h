// Times of each op, gathered while a plan runs: what LINN_VERBOSE prints.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "plan/plan.h"

namespace linn::plan {

/// Whether LINN_VERBOSE is set to something else than 0. Read once.
bool verbose();

/// Of one op on one worker, on a cache line of its own.
struct alignas(64) Cell {
  std::int64_t calls = 0;
  std::int64_t images = 0;
  double seconds = 0;
};

/// Collects times by op and worker; prints a table to stderr when it goes.
class OpTimes {
 public:
  OpTimes(const Plan& plan, int threads);
  ~OpTimes();
  OpTimes(const OpTimes&) = delete;
  OpTimes& operator=(const OpTimes&) = delete;

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

 private:
  friend class Measure;
  Cell& cell(int op, int worker);
  void print() const;

  const Plan& plan_;
  int threads_;
  std::vector<Cell> cells_;
};

}  // namespace linn::plan
