// The number of images of a shard, which follows from the network.
#include <gtest/gtest.h>

#include "core/worker_pool.h"
#include "kernels/kernels.h"
#include "plan/ops/conv.h"
#include "plan/ops/dense.h"
#include "plan/ops/norm.h"
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

// Ops that see the whole batch sum in the order of shards too: with shards of 4, the bits of their kernels told so.
TEST(Shard, OfFourIsWhatSumsOverTheBatchFollow) {
  constexpr std::int64_t size = 160, pixels = size * size, channels = 8;
  PlanRun run(Purpose::training);
  Lowering& to = run.lowering();
  const Values numbers = random_values(images * pixels * 2, 1), from = random_values(images * pixels * channels, 2);
  const Value input = run.bind("input", {size, size, 2}, Extent::batch, numbers);
  const Value kernel = run.bind("kernel", {1, 1, 2, channels}, Extent::fixed, Values(2 * channels, 1.0));
  const Value matrix = run.bind("matrix", {2, channels}, Extent::fixed, random_values(2 * channels, 3));
  const Value map = dense(to, input, matrix, {});
  run.dot(map, run.bind("d", map.shape, Extent::batch, from));
  run.dot(conv2d(to, input, kernel, {}, kernels::resolve({}, size, size, 2, channels).value()), run.bind("e", map.shape, Extent::batch, from));
  to.set_layer("norm");
  const auto variable = [&](double number) { return run.bind("variable", {2}, Extent::fixed, {number, number}); };
  const NormVariables variables{.gamma = variable(1), .beta = variable(0), .moving_mean = variable(0), .moving_variance = variable(1)};
  run.keep(batch_norm(to, input, variables, 1e-3, 0.9));
  Value statistics;
  for (std::size_t v = 0; v < to.values().size(); ++v)
    if (to.values()[v].name == "statistics of norm") statistics = {static_cast<int>(v), {2, 2}};
  run.keep(statistics);
  const std::vector<Value> gradients = run.compile(images, Precision::float32, {.variables = {matrix, kernel}, .update = {}});
  ASSERT_EQ(run.plan().shard(), 4);
  run.run(images);

  const std::vector<float> src(numbers.begin(), numbers.end()), ddst(from.begin(), from.end());
  const auto dense_gradient = [&](std::int64_t shard) {
    const kernels::DenseKernelGradient::Problem problem{.inputs = 2, .outputs = channels, .shard = shard * pixels};
    const auto chosen = kernels::choose<kernels::DenseKernelGradient>(problem);
    std::vector<float> dkernel(2 * channels), scratch(static_cast<std::size_t>(chosen.scratch(problem, images * pixels)));
    chosen.run(problem, {.rows = images * pixels, .src = src.data(), .ddst = ddst.data(), .dkernel = dkernel.data(), .first = 0, .last = 2,
                         .scratch = scratch.data()});
    return Values(dkernel.begin(), dkernel.end());
  };
  EXPECT_EQ(run.get(gradients[0]), dense_gradient(4));
  EXPECT_NE(run.get(gradients[0]), dense_gradient(8)) << "or this test says nothing";

  const kernels::NormMoments::Problem of_image{.pixels = pixels, .channels = 2};
  std::vector<double> moments(images * 2 * 2);
  const auto chosen = kernels::choose<kernels::NormMoments>(of_image);
  std::vector<float> scratch(static_cast<std::size_t>(chosen.scratch(of_image, images)));
  chosen.run(of_image, {.images = images, .src = src.data(), .moments = moments.data(), .scratch = scratch.data()});
  const auto norm_statistics = [&](std::int64_t shard) {
    Values result(4);
    kernels::NormStatistics::reference<float>({.pixels = pixels, .channels = 2, .shard = shard},
                                              {images, moments.data(), nullptr, result.data(), 0, 2, nullptr});
    return result;
  };
  EXPECT_EQ(run.get(statistics), norm_statistics(4));
  EXPECT_NE(run.get(statistics), norm_statistics(8)) << "or this test says nothing";
}

}  // namespace
}  // namespace linn::detail::plan
