// The number of images of a shard, which follows from the network.
#include <gtest/gtest.h>

#include "plan/ops/conv.h"
#include "plan/ops/pool.h"
#include "support/finite_differences.h"
#include "support/plan_run.h"

namespace linn::detail::plan {
namespace {

using tests::PlanRun;
using tests::random_values;
using tests::Values;

constexpr std::int64_t images = 11;

// A 1x1 convolution of a map of this size, and the mean of its channels.
struct Network {
  Network(Purpose purpose, std::int64_t size, std::int64_t filters) : run(purpose) {
    Lowering& to = run.lowering();
    const Value input = run.bind("input", {size, size, 2}, Extent::batch, random_values(images * size * size * 2, 1));
    kernel = run.bind("kernel", {1, 1, 2, filters}, Extent::fixed, random_values(2 * filters, 2));
    const Value map = conv2d(to, input, kernel, {}, kernels::resolve({}, size, size, 2, filters).value());
    output = global_pool2d(to, map, kernels::PoolKind::average);
    run.keep(output);
    if (purpose == Purpose::training) run.dot(output, run.bind("d", output.shape, Extent::batch, random_values(images * filters, 3)));
    gradients = run.compile(images, Precision::float32, purpose == Purpose::training ? Training{.variables = {kernel}, .update = {}} : Training{});
  }
  Values gradient(int threads) {
    core::set_threads(threads);
    run.make_workspace();
    run.run(images);
    return run.get(gradients[0]);
  }

  PlanRun run;
  Value kernel, output;
  std::vector<Value> gradients;
};

TEST(Shard, IsSmallerWhereTheMapsOfAnImageLeaveTheCaches) {
  Network large(Purpose::training, 160, 8), small(Purpose::training, 16, 8);
  EXPECT_EQ(large.run.plan().shard(), 4);
  EXPECT_EQ(small.run.plan().shard(), 8);
}

TEST(Shard, OfInferenceIsAWholeOne) {
  Network large(Purpose::inference, 160, 8);
  EXPECT_EQ(large.run.plan().shard(), 8);
}

TEST(Shard, OfFourGivesTheSameBitsOnAnyNumberOfThreads) {
  Network network(Purpose::training, 160, 8);
  const Values expected = network.gradient(1);
  EXPECT_EQ(network.gradient(2), expected);
  EXPECT_EQ(network.gradient(5), expected);
  // The mean's gradient is the same at every pixel: d kernel = sum over images of d / pixels * sum of the pixels.
  const Values input = random_values(images * 160 * 160 * 2, 1), d = random_values(images * 8, 3);
  for (std::size_t channel = 0; channel < 2; ++channel) {
    double sum = 0, magnitude = 0;
    for (std::size_t image = 0; image < images; ++image) {
      double pixels = 0;
      for (std::size_t p = 0; p < 160 * 160; ++p) pixels += input[(image * 160 * 160 + p) * 2 + channel];
      sum += d[image * 8] * pixels / (160 * 160), magnitude += std::abs(d[image * 8]);
    }
    EXPECT_NEAR(expected[channel * 8], sum, 1e-5 * magnitude);
  }
}

}  // namespace
}  // namespace linn::detail::plan
