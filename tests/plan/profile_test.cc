// What profiles count: flops and bytes of ops by hand, and that rows add up over workers and runs.
#include "plan/profile.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/thread_count.h"
#include "core/worker_pool.h"
#include "linn/layers.h"
#include "plan/ops/conv.h"
#include "plan/ops/pool.h"
#include "plan/ops/update.h"
#include "support/plan_run.h"

namespace linn::detail::plan {
namespace {

using tests::PlanRun;
using tests::Values;

// The process's number of threads for the length of a test.
class Threads {
 public:
  explicit Threads(int threads) : before_(core::worker_pool().threads()) { core::set_threads(threads); }
  ~Threads() { core::set_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

Values ones(std::int64_t count) { return Values(static_cast<std::size_t>(count), 1.0); }

constexpr std::int64_t batch = 21;  // three shards, the last of five images

struct ConvRun {
  explicit ConvRun(Precision precision, bool with_pool = false) {
    const kernels::Geometry conv = *kernels::resolve({.height = 3, .width = 3}, 5, 6, 2, 4);
    const Value src = run.bind("src", {5, 6, 2}, Extent::batch, ones(batch * 60));
    const Value kernel = run.bind("kernel", {3, 3, 2, 4}, Extent::fixed, ones(72)), bias = run.bind("bias", {4}, Extent::fixed, ones(4));
    run.lowering().set_layer("conv");
    Value map = conv2d(run.lowering(), src, kernel, bias, conv);
    if (with_pool) map = pool2d(run.lowering(), map, kernels::PoolKind::average, *kernels::resolve({.height = 2, .width = 2}, 3, 4, 4, 4));
    run.keep(map);
    run.build(batch, precision);
  }
  std::vector<OpProfile> rows() { return run.workspace().measure().rows(); }

  PlanRun run{Purpose::inference};
};

// Two for each tap of the definition; what padding copies is no operation.
TEST(Profile, BlurByHand) {
  Lowering to(Purpose::inference);
  const Value src = to.value("src", {8, 6, 3}, Extent::batch, Element::real, Home::bound);
  const Layer layer = MaxBlurPooling2D(2, {.filter_size = 5, .padding = "circular"});
  EXPECT_EQ(linn::detail::description_of(layer)->lower_call(to, {&src, 1}, {}).front().shape, Shape({4, 3, 3}));
  std::vector<std::string_view> names;
  std::vector<double> flops;
  for (const auto& op : to.ops()) names.push_back(op->name()), flops.push_back(op->flops(10));
  EXPECT_EQ(names, (std::vector<std::string_view>{"pad2d", "pool2d", "pad2d", "blur2d"}));
  EXPECT_EQ(flops, (std::vector<double>{0, 10 * 8 * 6 * 3 * 4, 0, 2 * 10 * 4 * 3 * 3 * 25}));
}

TEST(Profile, ConvolutionByHand) {
  for (const int threads : {1, 3}) {
    const Threads guard(threads);
    ConvRun conv(Precision::float32);
    OpTimes& times = conv.run.workspace().measure();
    conv.run.run(batch);
    conv.run.run(10);
    const std::vector<OpProfile> rows = times.rows();
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].op, "conv2d");
    EXPECT_EQ(rows[0].layer, "conv");
    EXPECT_EQ(rows[0].calls, 3 + 2) << "one a shard";
    EXPECT_EQ(rows[0].flops, 31.0 * 2 * (3 * 4 * 4) * (9 * 2));
    const double images = 31 * 4.0 * (5 * 6 * 2 + 3 * 4 * 4), weights = 2 * 4.0 * (72 + 4);
    EXPECT_EQ(rows[0].bytes, images + weights) << "weights once a run, whatever the shards";
    EXPECT_EQ(rows[0].memory_bytes, rows[0].bytes) << "all of it is the caller's or kept";
    EXPECT_GT(rows[0].seconds, 0);
  }
}

TEST(Profile, Float64MovesTwiceAsMuchAndRunsReferences) {
  ConvRun conv(Precision::float64);
  OpTimes& times = conv.run.workspace().measure();
  conv.run.run(batch);
  const std::vector<OpProfile> rows = times.rows();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].bytes, 8.0 * (21 * (60 + 48) + 76));
  EXPECT_EQ(rows[0].isa, "scalar");
}

TEST(Profile, WhatStaysWithAWorkerIsNoMemory) {
  ConvRun conv(Precision::float32, true);
  OpTimes& times = conv.run.workspace().measure();
  conv.run.run(batch);
  const std::vector<OpProfile> rows = times.rows();
  ASSERT_EQ(rows.size(), 2U) << "not fused without the pass";
  EXPECT_EQ(rows[0].memory_bytes, 4.0 * (21 * 60 + 76));
  EXPECT_EQ(rows[0].bytes - rows[0].memory_bytes, 4.0 * 21 * 48) << "the map between";
  EXPECT_EQ(rows[1].bytes, 4.0 * 21 * (48 + 2 * 3 * 4));
  EXPECT_EQ(rows[1].memory_bytes, 4.0 * 21 * (2 * 3 * 4));
  EXPECT_EQ(rows[1].flops, 21.0 * (2 * 3 * 4) * 4);
}

TEST(Profile, APackedKernelIsReadInPlaceOfTheKernel) {
  if (core::isa() == core::Isa::scalar) GTEST_SKIP() << "references pack nothing";
  PlanRun run(Purpose::inference);
  const kernels::Geometry conv = *kernels::resolve({.height = 3, .width = 3}, 6, 6, 16, 16),
                          pool = *kernels::resolve({.height = 2, .width = 2, .stride_height = 2, .stride_width = 2}, 4, 4, 16, 16);
  const Value src = run.bind("src", {6, 6, 16}, Extent::batch, ones(batch * 576)),
              kernel = run.bind("kernel", {3, 3, 16, 16}, Extent::fixed, ones(2304));
  const Value dst = pool2d(run.lowering(), conv2d(run.lowering(), src, kernel, {}, conv), kernels::PoolKind::max, pool);
  run.keep(dst);
  run.compile(batch, Precision::float32);
  OpTimes& times = run.workspace().measure();
  run.run(batch);
  const std::vector<OpProfile> rows = times.rows();
  ASSERT_EQ(rows.size(), 2U);
  const double packed = 4.0 * static_cast<double>(run.plan().op(1).packed());
  ASSERT_GT(packed, 0);
  EXPECT_EQ(rows[0].op, "pack_kernel");
  EXPECT_EQ(rows[0].bytes, 4.0 * 2304 + packed);
  EXPECT_EQ(rows[1].implementation, "conv_pool_forward.winograd4");
  EXPECT_EQ(rows[1].bytes, 4.0 * 21 * (576 + 64) + packed);
}

TEST(Profile, AVariableChangedInPlaceIsReadAndWritten) {
  constexpr std::int64_t elements = 40'000;  // three pieces
  PlanRun run(Purpose::training);
  const auto bind = [&](const char* name) { return run.bind(name, {elements}, Extent::fixed, ones(elements)); };
  const Value gradient = bind("gradient"), variable = bind("variable"), momentum = bind("momentum"), velocity = bind("velocity");
  adam_update(run.lowering(), {}, {.gradient = gradient, .variable = variable, .slots = {momentum, velocity}});
  run.build(batch, Precision::float32);
  OpTimes& times = run.workspace().measure();
  for (int step = 0; step < 2; ++step) run.run(batch, {.seed = 1, .step = step, .learning_rate = 0.1});
  const std::vector<OpProfile> rows = times.rows();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].calls, 2 * 3);
  EXPECT_EQ(rows[0].bytes, 2 * 4.0 * elements * (1 + 2 * 3));
}

TEST(Profile, MeasuringStartsAnewAndChangesNoBit) {
  ConvRun plain(Precision::float32, true), measured(Precision::float32, true);
  const auto result = [](ConvRun& conv) {
    conv.run.run(batch);
    return conv.run.get(conv.run.plan().op(1).outputs[0]);
  };
  const Values expected = result(plain);
  measured.run.workspace().measure();
  EXPECT_EQ(result(measured), expected);
  EXPECT_EQ(result(measured), expected);
  EXPECT_TRUE(measured.rows().empty()) << "measure() forgets";
}

TEST(Profile, SharesOfTheRoofline) {
  Profile profile{.peak_flops = 100, .cache_bandwidth = 50, .memory_bandwidth = 10};
  profile.seconds = 2, profile.threads = 3;
  const OpProfile compute{.seconds = 1, .flops = 300, .bytes = 100, .memory_bytes = 20},
      cache{.seconds = 2, .flops = 100, .bytes = 100, .memory_bytes = 10},
      memory{.seconds = 1.5, .flops = 100, .bytes = 100, .memory_bytes = 50}, nothing{.seconds = 0.5};
  profile.ops = {compute, cache, memory, nothing};
  EXPECT_EQ(profile.roofline_seconds(compute), 3);
  EXPECT_EQ(profile.bound(compute), "compute");
  EXPECT_EQ(profile.roofline_seconds(cache), 2);
  EXPECT_EQ(profile.bound(cache), "cache");
  EXPECT_EQ(profile.roofline_seconds(memory), 5);
  EXPECT_EQ(profile.bound(memory), "memory");
  EXPECT_EQ(profile.roofline_seconds(nothing), 0);
  EXPECT_EQ(profile.bound(nothing), "");
  EXPECT_EQ(profile.seconds_between_ops(), 1);
}

}  // namespace
}  // namespace linn::detail::plan
