// Plans that are no chain: shared variables, branches, several losses, ops of many inputs.
#include <gmock/gmock.h>

#include <numeric>
#include <set>

#include "core/worker_pool.h"
#include "linn/layers.h"
#include "optim/losses.h"
#include "plan/compile.h"
#include "plan/ops/conv.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/loss.h"
#include "plan/ops/pool.h"
#include "plan/ops/softmax.h"
#include "plan/passes.h"
#include "support/finite_differences.h"
#include "support/plan_run.h"
#include "support/shared_layer.h"

namespace linn::detail::plan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using tests::expect_slopes;
using tests::PlanRun;
using tests::random_values;
using tests::Shared;
using tests::Values;

std::vector<std::string> ops_of(const Plan& plan) {
  std::vector<std::string> names;
  for (int i = 0; i < plan.ops(); ++i) names.emplace_back(plan.op(i).name());
  return names;
}

// layer -> normalization by the batch -> the same layer -> `last`, with the sum of output * upstream for its objective.
class TwiceRun {
 public:
  TwiceRun(const Layer& layer, const Layer& last, const Shape& image, std::int64_t images, Precision precision)
      : run_(Purpose::training), images_(images), layer_(run_, layer, image, 5) {
    const Value input = run_.bind("input", image, Extent::batch, random_values(images * image.elements(), 1));
    const Shared norm(run_, BatchNormalization(), image, 20), end(run_, last, image, 30);
    const Value output = end(layer_(norm(layer_(input))));
    dot_ = run_.dot(output, run_.bind("upstream", output.shape, Extent::batch, random_values(images * output.shape.elements(), 2)));
    gradients_ = run_.compile(images, precision, {.variables = layer_.values(), .update = {}});
  }

  const Shared& layer() const { return layer_; }
  std::vector<Values> gradients() {
    run_.run(images_);
    std::vector<Values> all;
    for (const Value& gradient : gradients_) all.push_back(gradient.defined() ? run_.get(gradient) : Values{});
    return all;
  }
  double objective(std::size_t variable, const Values& numbers) {
    run_.set(layer_.values()[variable], numbers);
    run_.run(images_);
    const Values dots = run_.get(dot_);
    return std::accumulate(dots.begin(), dots.end(), 0.0);
  }

 private:
  PlanRun run_;
  std::int64_t images_;
  Shared layer_;
  Value dot_;
  std::vector<Value> gradients_;
};

struct SharedCase {
  Layer layer, last;
  Shape image;
};

// Gradients that are summed over shards in two segments, in the arena, and one of each.
std::vector<SharedCase> shared_cases() {
  return {{Conv2D(3, 3, {.padding = "same"}), Activation("tanh"), {5, 4, 3}},
          {Conv2D(3, 3, {.padding = "same", .activation = "relu"}), MaxPooling2D(2), {5, 4, 3}},
          {Conv2D(3, 2, {.padding = "same", .use_bias = false}), GlobalMaxPooling2D(), {4, 4, 3}},
          {Dense(6), Activation("tanh"), {6}},
          {Dense(3, {.activation = "tanh"}), Flatten(), {2, 3}},
          {BatchNormalization({.epsilon = 0.1}), Activation("tanh"), {3, 4, 3}}};
}

// One thread against finite differences, eight against that one.
TEST(SharedVariables, GradientsAgainstFiniteDifferences) {
  for (const SharedCase& shared : shared_cases())
    for (const std::int64_t images : {11, 64}) {
      SCOPED_TRACE(std::string(shared.layer.class_name()) + " twice, " + std::to_string(images) + " images");
      core::set_threads(8);
      const std::vector<Values> of_eight = TwiceRun(shared.layer, shared.last, shared.image, images, Precision::float64).gradients();
      core::set_threads(1);
      TwiceRun run(shared.layer, shared.last, shared.image, images, Precision::float64);
      const std::vector<Values> gradients = run.gradients();
      EXPECT_EQ(gradients, of_eight);
      for (std::size_t v = 0; v < run.layer().values().size(); ++v)
        if (run.layer().trainable(v))
          expect_slopes("variable " + std::to_string(v), run.layer().numbers(v), gradients[v],
                        [&](const Values& numbers) { return run.objective(v, numbers); });
    }
  core::set_threads(2);
}

TEST(SharedVariables, SameBitsOnAnyNumberOfThreads) {
  for (const SharedCase& shared : shared_cases()) {
    std::vector<Values> first;
    for (const int threads : {1, 2, 3, 8}) {
      core::set_threads(threads);
      TwiceRun run(shared.layer, shared.last, shared.image, 64, Precision::float32);
      const std::vector<Values> gradients = run.gradients();
      if (first.empty()) first = gradients;
      EXPECT_EQ(gradients, first) << shared.layer.class_name() << ", " << threads << " threads";
    }
  }
  core::set_threads(2);
}

// Keras updates the moving statistics once a call, in the order of the calls.
TEST(SharedVariables, MovingStatisticsAreUpdatedCallByCall) {
  constexpr std::int64_t images = 20;
  constexpr double momentum = 0.6;
  PlanRun run(Purpose::training);
  std::vector<Values> inputs;
  const Shared norm(run, BatchNormalization({.momentum = momentum}), {2}, 3);
  for (std::uint32_t call = 0; call < 3; ++call) {
    inputs.push_back(random_values(images * 2, 40 + call, -2, 3 + call));
    run.keep(norm(run.bind("input", {2}, Extent::batch, inputs.back())));
  }
  run.lowering().append_updates();
  run.compile(images, Precision::float64);
  run.run(images);
  for (std::size_t c = 0; c < 2; ++c) {
    double mean = norm.numbers(2)[c], variance = norm.numbers(3)[c];
    for (const Values& input : inputs) {
      double sum = 0, squares = 0;
      for (std::size_t i = c; i < input.size(); i += 2) sum += input[i], squares += input[i] * input[i];
      const double batch_mean = sum / images;
      mean = momentum * mean + (1 - momentum) * batch_mean;
      variance = momentum * variance + (1 - momentum) * (squares / images - batch_mean * batch_mean);
    }
    EXPECT_NEAR(run.get(norm.values()[2])[c], mean, 1e-12);
    EXPECT_NEAR(run.get(norm.values()[3])[c], variance, 1e-12);
  }
  for (const Segment& segment : run.plan().segments()) {
    const auto updates = std::count_if(segment.ops.begin(), segment.ops.end(), [&](int op) { return run.plan().op(op).name() == "moving_statistics"; });
    EXPECT_LE(updates, 1) << "two in one segment run at the same time";
  }
}

// ---- several losses -------------------------------------------------------------------------------------------------

// A main loss with weights of images, an auxiliary one on an inner value, times its factor, and one whose rows are scaled on the way.
TEST(Losses, OfSeveralOutputsAddUp) {
  constexpr std::int64_t images = 11;
  PlanRun run(Purpose::training);
  Lowering& to = run.lowering();
  const Value input = run.bind("input", {4}, Extent::batch, random_values(images * 4, 1));
  const Shared first(run, Dense(3, {.activation = "tanh"}), {4}, 5), second(run, Dense(5), {3}, 8);
  const Value inner = first(input), outer = second(inner);
  const Value weight = run.bind("weight", {}, Extent::batch, random_values(images, 9, 0.5, 2));
  Values labels;
  for (std::int64_t i = 0; i < images; ++i) labels.push_back(static_cast<double>(i % 5));
  const Value target = run.bind("labels", {1}, Extent::batch, labels, Element::i64);
  const auto squared = [&](Value prediction, std::uint32_t seed) {
    const Value wanted = run.bind("targets", prediction.shape, Extent::batch, random_values(images * prediction.shape.elements(), seed));
    return optim::lower(to, Loss("mse"), {.prediction = prediction, .target = wanted});
  };
  const Value main = optim::lower(to, Loss("sparse_categorical_crossentropy"), {.prediction = softmax(to, outer, kernels::SoftmaxKind::softmax), .target = target});
  const Value sums[] = {loss_sum(to, main, weight), loss_sum(to, squared(inner, 10), {}, 0.3),
                        loss_sum(to, rescale(to, squared(outer, 11), -0.5, 3), {}, 2)};
  const std::vector<Value> variables = {first.values()[0], first.values()[1], second.values()[0], second.values()[1], input};
  const std::vector<Value> gradients = run.compile(images, Precision::float64, {.variables = variables, .update = {}});
  const auto value_with = [&](Value variable) {
    return [&run, &sums, variable](const Values& numbers) {
      run.set(variable, numbers);
      run.run(images);
      return (run.get(sums[0])[0] + 0.3 * run.get(sums[1])[0] + 2 * run.get(sums[2])[0]) / images;
    };
  };
  const std::vector<Values> numbers = {first.numbers(0), first.numbers(1), second.numbers(0), second.numbers(1), random_values(images * 4, 1)};
  for (std::size_t v = 0; v < variables.size(); ++v) {
    run.run(images);
    expect_slopes("variable " + std::to_string(v), numbers[v], run.get(gradients[v]), value_with(variables[v]));
  }
}

// ---- many inputs, views ---------------------------------------------------------------------------------------------

TEST(Plan, AnOpOfTwelveInputs) {
  constexpr std::int64_t images = 9;
  PlanRun run(Purpose::training);
  std::vector<Value> terms;
  Values expected(images * 5);
  for (std::uint32_t i = 0; i < 12; ++i) {
    const Values numbers = random_values(images * 5, i);
    for (std::size_t k = 0; k < numbers.size(); ++k) expected[k] += numbers[k];
    terms.push_back(run.bind("term", {5}, Extent::batch, numbers));
  }
  const Value total = sum(run.lowering(), terms);
  run.keep(total);
  const Values upstream = random_values(images * 5, 50);
  run.dot(total, run.bind("upstream", {5}, Extent::batch, upstream));
  const std::vector<Value> gradients = run.compile(images, Precision::float64, {.variables = terms, .update = {}});
  run.run(images);
  EXPECT_EQ(run.get(total), expected);
  for (const Value& gradient : gradients) EXPECT_EQ(run.get(gradient), upstream);
}

kernels::Geometry window(std::int64_t size, std::int64_t stride, const Shape& map, std::int64_t filters) {
  const kernels::Window w{.height = size, .width = size, .stride_height = stride, .stride_width = stride};
  return *kernels::resolve(w, map[0], map[1], map[2], filters);
}

// A map seen with another shape is another map to a pooling.
TEST(Fuse, NotOverAReshape) {
  constexpr std::int64_t images = 3;
  std::vector<Values> outputs;
  for (const bool fused : {true, false}) {
    PlanRun run(Purpose::inference);
    Lowering& to = run.lowering();
    const Value input = run.bind("input", {8, 6, 2}, Extent::batch, random_values(images * 96, 1));
    const Value kernel = run.bind("kernel", {3, 3, 2, 4}, Extent::fixed, random_values(72, 2));
    const Value map = conv2d(to, input, kernel, {}, window(3, 1, {8, 6, 2}, 4));  // [6, 4, 4]
    const Value other{map.id, {4, 6, 4}};
    const Value pooled = pool2d(to, other, kernels::PoolKind::max, window(2, 2, {4, 6, 4}, 4));
    const Value global = global_pool2d(to, {conv2d(to, input, kernel, {}, window(3, 1, {8, 6, 2}, 4)).id, {2, 6, 8}}, kernels::PoolKind::max);
    run.keep(pooled);
    run.keep(global);
    run.compile(images, Precision::float64, {}, {.fuse = fused});
    EXPECT_THAT(ops_of(run.plan()), ElementsAre("conv2d", "pool2d", "conv2d", "global_pool2d"));
    run.run(images);
    outputs.push_back(run.get(pooled));
    EXPECT_EQ(run.get(global).size(), 3 * 8U);
  }
  EXPECT_EQ(outputs[0], outputs[1]);
}

// The softmax of rows of 3 is not that of a row of 6.
TEST(Fuse, NoLossThroughAReshapedSoftmax) {
  constexpr std::int64_t images = 2;
  PlanRun run(Purpose::training);
  Lowering& to = run.lowering();
  const Value logits = run.bind("logits", {2, 3}, Extent::batch, random_values(images * 6, 1));
  const Value target = run.bind("labels", {1}, Extent::batch, {4, 0}, Element::i64);
  const Value probabilities{softmax(to, logits, kernels::SoftmaxKind::softmax).id, {6}};
  const Value rows = crossentropy(to, {.prediction = probabilities, .target = target}, {.classes = 6});
  run.keep(rows);
  run.compile(images, Precision::float64);
  EXPECT_THAT(ops_of(run.plan()), ElementsAre("softmax", "crossentropy"));
}

// ---- what nobody reads ----------------------------------------------------------------------------------------------

TEST(DropUnread, BranchesAndTheirGradients) {
  constexpr std::int64_t images = 3;
  PlanRun run(Purpose::training);
  Lowering& to = run.lowering();
  const Value input = run.bind("input", {4}, Extent::batch, random_values(images * 4, 1));
  const Shared used(run, Dense(3), {4}, 5), unused(run, Dense(2), {3}, 8);
  const Value inner = used(input);
  activation(to, unused(inner), kernels::Activation::tanh);  // two ops that lead nowhere
  run.dot(inner, run.bind("upstream", {3}, Extent::batch, random_values(images * 3, 9)));
  const std::vector<Value> gradients = run.compile(
      images, Precision::float64, {.variables = {used.values()[0], unused.values()[0]}, .update = {}});
  EXPECT_TRUE(gradients[0].defined());
  EXPECT_FALSE(gradients[1].defined()) << "nothing depends on it";
  EXPECT_THAT(ops_of(run.plan()), ElementsAre("dense", "dot", "dense_kernel_gradient"));
}

TEST(DropUnread, AnUnreadConsumerIsNoReaderToFusion) {
  PlanRun run(Purpose::inference);
  Lowering& to = run.lowering();
  const Value input = run.bind("input", {6, 6, 2}, Extent::batch, random_values(72, 1));
  const Value kernel = run.bind("kernel", {3, 3, 2, 4}, Extent::fixed, random_values(72, 2));
  const Value map = conv2d(to, input, kernel, {}, window(3, 1, {6, 6, 2}, 4));
  activation(to, map, kernels::Activation::tanh);
  run.keep(pool2d(to, map, kernels::PoolKind::max, window(2, 2, {4, 4, 4}, 4)));
  run.compile(1, Precision::float32);
  EXPECT_THAT(ops_of(run.plan()), Contains("conv2d_pool"));
  EXPECT_THAT(ops_of(run.plan()), Not(Contains("activation")));
}

// ---- trim, dropout --------------------------------------------------------------------------------------------------

// The pooling sees 4x4 of 5x5, the mean sees all.
TEST(Trim, AMapWithSeveralReadersStaysWhole) {
  constexpr std::int64_t images = 3;
  std::vector<Values> means;
  for (const bool trimmed : {true, false}) {
    PlanRun run(Purpose::inference);
    Lowering& to = run.lowering();
    const Value input = run.bind("input", {7, 7, 2}, Extent::batch, random_values(images * 98, 1));
    const Value kernel = run.bind("kernel", {3, 3, 2, 4}, Extent::fixed, random_values(72, 2));
    const Value map = conv2d(to, input, kernel, {}, window(3, 1, {7, 7, 2}, 4));
    const Value mean = global_pool2d(to, map, kernels::PoolKind::average);
    run.keep(mean);
    run.keep(pool2d(to, map, kernels::PoolKind::max, window(2, 2, {5, 5, 4}, 4)));
    run.compile(images, Precision::float64, {}, {.trim = trimmed});
    run.run(images);
    means.push_back(run.get(mean));
  }
  EXPECT_EQ(means[0], means[1]);
}

// Masks are a function of seed, step, op and image: shards and steps do not repeat each other.
TEST(Dropout, AMaskForEachImageAndStep) {
  constexpr std::int64_t images = 3 * most_of_shard, row = 64;
  PlanRun run(Purpose::training);
  const Value input = run.bind("input", {row}, Extent::batch, Values(images * row, 1.0));
  const Value a = dropout(run.lowering(), input, 0.5, 0), b = dropout(run.lowering(), input, 0.5, 0);
  run.keep(a);
  run.keep(b);
  run.compile(images, Precision::float32);
  std::set<Values> masks;
  const auto add_masks = [&](const Values& output) {
    for (std::int64_t i = 0; i < images; ++i) masks.insert(Values(output.begin() + i * row, output.begin() + (i + 1) * row));
  };
  for (const std::int64_t step : {0, 1, 2}) {
    run.run(images, {.seed = 7, .step = step, .learning_rate = 0});
    add_masks(run.get(a));
    add_masks(run.get(b));
  }
  EXPECT_EQ(masks.size(), 3 * 2 * static_cast<std::size_t>(images)) << "64 bits each: no two are the same by chance";
  run.run(images, {.seed = 7, .step = 2, .learning_rate = 0});
  add_masks(run.get(a));
  EXPECT_EQ(masks.size(), 3 * 2 * static_cast<std::size_t>(images)) << "the same step again";
}

}  // namespace
}  // namespace linn::detail::plan
