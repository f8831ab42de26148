// A workspace on a device of the test's own: where its memory comes from and who runs its pieces.
#include "plan/device.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "core/worker_pool.h"
#include "linn/error.h"
#include "plan/ops/conv.h"
#include "plan/ops/dense.h"
#include "support/finite_differences.h"
#include "support/plan_run.h"

namespace linn::detail::plan {
namespace {

using tests::PlanRun;
using tests::random_values;
using tests::Values;

// Three workers on the caller's thread: each piece goes to the next of them, in turn.
class Turns final : public Device {
 public:
  int workers() const override { return workers_; }
  void set_workers(int workers) { workers_ = workers; }

  Memory allocate(std::int64_t bytes) const override {
    allocated_.push_back(bytes);
    return cpu().allocate(bytes);
  }
  void run(std::int64_t items, const core::Task& task, int workers) const override {
    for (std::int64_t item = 0; item < items; ++item) {
      const int worker = static_cast<int>(item % workers);
      seen_.insert(worker);
      task(item, worker);
    }
  }

  const std::vector<std::int64_t>& allocated() const { return allocated_; }
  const std::set<int>& seen() const { return seen_; }

 private:
  int workers_ = 3;
  mutable std::vector<std::int64_t> allocated_;
  mutable std::set<int> seen_;
};

constexpr std::int64_t images = 43;  // five shards of 8, and one of 3

// A training step with sums over shards, and ops that see the whole batch.
struct Step {
  Step() : run(Purpose::training) {
    Lowering& to = run.lowering();
    const kernels::Geometry g = kernels::resolve({.height = 3, .width = 3}, 7, 6, 4, 8).value();
    const Value input = run.bind("input", {7, 6, 4}, Extent::batch, random_values(images * 7 * 6 * 4, 1));
    kernel = run.bind("kernel", {3, 3, 4, 8}, Extent::fixed, random_values(3 * 3 * 4 * 8, 2));
    const Value map = conv2d(to, input, kernel, {}, g);
    matrix = run.bind("matrix", {8, 5}, Extent::fixed, random_values(40, 3));
    const Value output = dense(to, map, matrix, {});
    run.dot(output, run.bind("d", output.shape, Extent::batch, random_values(images * output.shape.elements(), 4)));
    gradients = run.compile(images, Precision::float32, {.variables = {kernel, matrix}, .update = {}});
  }
  std::vector<Values> results() {
    run.run(images);
    return {run.get(gradients[0]), run.get(gradients[1])};
  }

  PlanRun run;
  Value kernel, matrix;
  std::vector<Value> gradients;
};

TEST(Device, AnotherOneGivesTheSameBits) {
  core::set_threads(1);
  Step step;
  const std::vector<Values> expected = step.results();
  const Turns turns;
  step.run.make_workspace(turns);
  EXPECT_EQ(step.results(), expected);
  EXPECT_EQ(turns.seen(), (std::set<int>{0, 1, 2})) << "all pieces are run by the device";
  EXPECT_EQ(turns.allocated(), std::vector<std::int64_t>{step.run.plan().workspace_bytes(3)}) << "and its memory is all there is";
}

TEST(Device, AWorkspaceFitsTheNumberOfWorkersItWasMadeFor) {
  Step step;
  Turns turns;
  step.run.make_workspace(turns);
  EXPECT_TRUE(step.run.workspace().fits_device());
  turns.set_workers(2);
  EXPECT_FALSE(step.run.workspace().fits_device());
}

// A size that core::allocate refuses itself: a sanitizer's allocator ends the process where others give no memory.
TEST(Device, WithoutEnoughMemorySaysHowMuchWasNeeded) {
  try {
    static_cast<void>(cpu().allocate(std::numeric_limits<std::int64_t>::max() - 1024));
    FAIL() << "allocated 8 EiB";
  } catch (const MemoryError& error) {
    EXPECT_NE(std::string(error.what()).find("8796093022208.0 MiB"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace linn::detail::plan
