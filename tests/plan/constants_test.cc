// What follows from variables alone is made once and used in many runs, until a variable is bound anew.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/cpu.h"
#include "kernels/geometry.h"
#include "plan/ops/conv.h"
#include "plan/ops/pool.h"
#include "plan/ops/update.h"
#include "plan/profile.h"
#include "support/plan_run.h"

namespace linn::detail::plan {
namespace {

using tests::PlanRun;
using tests::Values;

constexpr std::int64_t batch = 9;

Values numbers(std::int64_t count, double first) {
  Values values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(first + 0.01 * static_cast<double>(i % 37));
  return values;
}

// A convolution whose kernel is packed for Winograd, and its pooling.
struct PackedNet {
  PlanRun run{Purpose::inference};
  Value src, kernel, dst;

  PackedNet() {
    const kernels::Geometry conv = *kernels::resolve({.height = 3, .width = 3}, 6, 6, 16, 16),
                            pool = *kernels::resolve({.height = 2, .width = 2, .stride_height = 2, .stride_width = 2}, 4, 4, 16, 16);
    src = run.bind("src", {6, 6, 16}, Extent::batch, numbers(batch * 576, -0.2));
    kernel = run.bind("kernel", {3, 3, 16, 16}, Extent::fixed, numbers(2304, -0.1));
    dst = pool2d(run.lowering(), conv2d(run.lowering(), src, kernel, {}, conv), kernels::PoolKind::max, pool);
    run.keep(dst);
    run.compile(batch, Precision::float32);
  }
};

std::int64_t calls_of(const OpTimes& times, const std::string& op) {
  for (const OpProfile& row : times.rows())
    if (row.op == op) return row.calls;
  return 0;
}

TEST(Constants, AKernelIsPackedOnceForManyRuns) {
  if (core::isa() == core::Isa::scalar) GTEST_SKIP() << "references pack nothing";
  PackedNet net;
  OpTimes& times = net.run.workspace().measure();
  for (int i = 0; i < 3; ++i) net.run.run(batch);
  EXPECT_EQ(calls_of(times, "pack_kernel"), 1);
  EXPECT_EQ(calls_of(times, "conv2d_pool"), 3 * 2) << "two shards a run";
}

TEST(Constants, AKernelBoundAnewIsPackedAnew) {
  PackedNet net, fresh;
  net.run.run(batch);
  const Values before = net.run.get(net.dst);
  const Values other = numbers(2304, 0.3);
  net.run.set(net.kernel, other);
  fresh.run.set(fresh.kernel, other);
  net.run.run(batch);
  fresh.run.run(batch);
  EXPECT_NE(net.run.get(net.dst), before);
  EXPECT_EQ(net.run.get(net.dst), fresh.run.get(fresh.dst));
}

TEST(Constants, OtherImagesLeaveThemAsTheyAre) {
  if (core::isa() == core::Isa::scalar) GTEST_SKIP() << "references pack nothing";
  PackedNet net, fresh;
  OpTimes& times = net.run.workspace().measure();
  net.run.run(batch);
  const Values other = numbers(batch * 576, 0.5);
  net.run.set(net.src, other);
  fresh.run.set(fresh.src, other);
  net.run.run(batch);
  fresh.run.run(batch);
  EXPECT_EQ(calls_of(times, "pack_kernel"), 1);
  EXPECT_EQ(net.run.get(net.dst), fresh.run.get(fresh.dst));
}

TEST(Constants, WhatThePlanItselfChangesIsNone) {
  PlanRun run(Purpose::training);
  const auto bind = [&](const char* name) { return run.bind(name, {100}, Extent::fixed, numbers(100, 1)); };
  const Value gradient = bind("gradient"), variable = bind("variable");
  sgd_update(run.lowering(), {}, {.gradient = gradient, .variable = variable});
  run.build(batch, Precision::float32);
  for (const Segment& segment : run.plan().segments()) EXPECT_FALSE(segment.constant);
  for (int step = 0; step < 2; ++step) run.run(batch, {.seed = 1, .step = step, .learning_rate = 0.5});
  EXPECT_NEAR(run.get(variable)[0], 1 - 2 * 0.5 * 1, 1e-6);
}

}  // namespace
}  // namespace linn::detail::plan
