// Normalization folded into the weights before it, and where it must not be.
#include <gmock/gmock.h>

#include <cmath>

#include "graph/graph.h"
#include "linn/layers.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/norm.h"
#include "plan/passes.h"
#include "support/finite_differences.h"
#include "support/plan_run.h"

namespace linn::detail::plan {
namespace {

using ::testing::ElementsAre;
using tests::PlanRun;
using tests::random_values;
using tests::Values;

constexpr std::int64_t images = 11;

graph::Graph graph_of(const std::vector<Layer>& layers, const Shape& input) {
  graph::Graph graph("net");
  for (const Layer& layer : layers) graph.append(linn::detail::description_of(layer), 5);
  graph.build(input, 5);
  return graph;
}

Layer norm(bool center = true, bool scale = true) {
  return BatchNormalization({.center = center,
                             .scale = scale,
                             .beta_initializer = initializers::RandomUniform{-1, 1},
                             .gamma_initializer = initializers::RandomUniform{-1.5, 1.5},
                             .moving_mean_initializer = initializers::RandomUniform{-1, 1},
                             .moving_variance_initializer = initializers::RandomUniform{0.5, 2}});
}

std::vector<std::string> ops_of(const Plan& plan) {
  std::vector<std::string> names;
  for (int i = 0; i < plan.ops(); ++i) names.emplace_back(plan.op(i).name());
  return names;
}

struct Result {
  Values output;
  std::vector<std::string> ops;
};

// Inference, either as it is planned, or with every layer's output kept, so that nothing is folded or fused.
Result infer(const graph::Graph& graph, Precision precision, bool keep_all) {
  PlanRun run(Purpose::inference);
  Lowering& to = run.lowering();
  const Value input = run.bind("input", graph.input_shape(), Extent::batch, random_values(images * graph.input_shape().elements(), 9));
  const graph::Lowered lowered = graph.lower(to, input);
  for (std::size_t i = 0; i < graph.variables().size(); ++i) run.adopt(lowered.variables[i], tests::values_of(graph.variables()[i].value()));
  run.keep(lowered.outputs[0]);
  if (keep_all)
    for (const std::vector<Value>& call : lowered.calls) run.keep(call.front());
  run.compile(images, precision);
  run.run(images);
  return {run.get(lowered.outputs[0]), ops_of(run.plan())};
}

void expect_folded_as_unfolded(const graph::Graph& graph, double bound32) {
  for (const Precision precision : {Precision::float64, Precision::float32}) {
    const Result folded = infer(graph, precision, false), plain = infer(graph, precision, true);
    EXPECT_THAT(folded.ops, ::testing::Not(::testing::Contains("batch_norm")));
    EXPECT_THAT(folded.ops, ::testing::Contains("fold_norm"));
    EXPECT_THAT(plain.ops, ::testing::Not(::testing::Contains("fold_norm")));
    double largest = 0;
    for (const double value : plain.output) largest = std::max(largest, std::abs(value));
    EXPECT_GT(largest, 0.1);
    const double bound = largest * (precision == Precision::float64 ? 1e-13 : bound32);
    ASSERT_EQ(folded.output.size(), plain.output.size());
    for (std::size_t i = 0; i < plain.output.size(); ++i) ASSERT_NEAR(folded.output[i], plain.output[i], bound) << i;
  }
}

TEST(FoldNorm, IntoWhatComesBefore) {
  expect_folded_as_unfolded(graph_of({Conv2D(9, 3, {.use_bias = false}), norm()}, {9, 8, 3}), 4e-6);
  expect_folded_as_unfolded(
      graph_of({Conv2D(8, 3, {.padding = "same", .bias_initializer = "ones"}), norm(false, true), Activation("relu"), MaxPooling2D(2)},
               {8, 8, 4}),
      4e-6);
  expect_folded_as_unfolded(graph_of({Conv2D(8, 3, {.groups = 2}), norm(true, false), Activation("tanh")}, {6, 7, 4}), 4e-6);
  expect_folded_as_unfolded(graph_of({Dense(13), norm(false, false), Activation("relu")}, {17}), 4e-6);
  expect_folded_as_unfolded(graph_of({Dense(13, {.use_bias = false}), norm(), norm()}, {2, 17}), 4e-6);
  // A Flatten between that leaves the channels as they are.
  expect_folded_as_unfolded(graph_of({Conv2D(5, 4), Flatten(), norm()}, {4, 4, 3}), 4e-6);
  // A kernel of more than one piece.
  expect_folded_as_unfolded(graph_of({Dense(50), norm()}, {1000}), 4e-6);
}

TEST(FoldNorm, ConvolutionNormalizationReluAndPoolingAreOneOp) {
  const graph::Graph graph = graph_of({Conv2D(12, 3), norm(), Activation("relu"), MaxPooling2D(2), Flatten(), Dense(4)}, {14, 14, 8});
  EXPECT_THAT(infer(graph, Precision::float64, false).ops, ElementsAre("norm_coefficients", "fold_norm", "conv2d_pool", "dense"));
  expect_folded_as_unfolded(graph, 4e-6);
}

TEST(FoldNorm, NotWhereItCannotBe) {
  // relu or a pooling before it; nothing before it.
  EXPECT_THAT(infer(graph_of({Conv2D(4, 3, {.activation = "relu"}), norm()}, {6, 6, 2}), Precision::float64, false).ops,
              ElementsAre("conv2d", "norm_coefficients", "batch_norm"));
  EXPECT_THAT(infer(graph_of({Conv2D(4, 3), MaxPooling2D(2), norm(), Activation("relu")}, {6, 6, 2}), Precision::float64, false).ops,
              ElementsAre("conv2d_pool", "norm_coefficients", "batch_norm"));
  EXPECT_THAT(infer(graph_of({Conv2D(4, 3), Flatten(), norm()}, {6, 6, 2}), Precision::float64, false).ops,
              ElementsAre("conv2d", "norm_coefficients", "batch_norm"));
  EXPECT_THAT(infer(graph_of({norm(), Conv2D(4, 3)}, {6, 6, 2}), Precision::float64, false).ops,
              ElementsAre("norm_coefficients", "batch_norm", "conv2d"));
}

// The convolution's own output goes elsewhere too, so it has to be there.
TEST(FoldNorm, NotWhereTheOutputIsReadElsewhere) {
  PlanRun run(Purpose::inference);
  Lowering& to = run.lowering();
  const Shape image{5, 5, 2};
  const Value input = run.bind("input", image, Extent::batch, random_values(images * 50, 1));
  std::vector<Value> bound;
  const auto variables = [&](const Layer& layer, const Shape& shape) {
    bound.clear();
    for (const VariableSpec& spec : linn::detail::description_of(layer)->declare_variables({&shape, 1}))
      bound.push_back(run.bind(spec.name, spec.shape, Extent::fixed, random_values(spec.shape.elements(), 2, 0.5, 1)));
    return bound;
  };
  const Layer conv = Conv2D(3, 2), normalization = norm();
  const Value map = linn::detail::description_of(conv)->lower_call(to, {&input, 1}, variables(conv, image)).front();
  const Value normalized = linn::detail::description_of(normalization)->lower_call(to, {&map, 1}, variables(normalization, map.shape)).front();
  const Value sum = add(to, map, normalized);
  run.keep(sum);
  run.compile(images, Precision::float32);
  EXPECT_THAT(ops_of(run.plan()), ElementsAre("conv2d", "norm_coefficients", "batch_norm", "add"));
}

TEST(FoldNorm, NotInTraining) {
  const graph::Graph graph =
      graph_of({Conv2D(4, 3), BatchNormalization({.trainable = false}), Activation("relu"), MaxPooling2D(2)}, {6, 6, 2});
  Lowering to(Purpose::training);
  const Value input = to.value("input", graph.input_shape(), Extent::batch, Element::real, Home::bound);
  graph.lower(to, input);
  fuse(to);
  const Plan plan(std::move(to), {.batch = images, .precision = Precision::float32, .policy = {}});
  EXPECT_THAT(ops_of(plan), ElementsAre("conv2d", "norm_coefficients", "batch_norm", "pool2d"));
}

// ---- statistics of the batch --------------------------------------------------------------------------------------

// A mean far above the deviation costs no more digits than the numbers have: in float32 as in float64 on the same numbers.
TEST(BatchNorm, SmallVarianceNextToALargeMean) {
  for (const Shape& image : {Shape{9, 10, 6}, Shape{6}}) {
    const std::int64_t count = 40 * image.elements();
    Values numbers = random_values(count, 3, -0.05, 0.05);
    for (std::size_t i = 0; i < numbers.size(); ++i)
      numbers[i] = static_cast<double>(static_cast<float>(numbers[i] + 1000.0 * static_cast<double>(i % 6)));
    Values upstream = random_values(count, 4);
    std::vector<Values> outputs, gradients;
    for (const Precision precision : {Precision::float64, Precision::float32}) {
      tests::LayerRun run(linn::detail::description_of(BatchNormalization({.epsilon = 1e-7})), image, 40, numbers,
                          {Values(6, 1), Values(6, 0), Values(6, 0), Values(6, 1)}, upstream, precision);
      run.run();
      outputs.push_back(run.output());
      gradients.push_back(run.input_gradient());
    }
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      ASSERT_NEAR(outputs[1][i], outputs[0][i], 1e-6 * (1 + std::abs(outputs[0][i]))) << image.to_string() << " output " << i;
      ASSERT_NEAR(gradients[1][i], gradients[0][i], 3e-6 * 40) << image.to_string() << " gradient " << i;  // of about 1 / 0.03
    }
  }
}

// One number a channel: the result is beta, and nothing flows to the input.
TEST(BatchNorm, OfOneNumberIsBeta) {
  for (const Precision precision : {Precision::float64, Precision::float32}) {
    tests::LayerRun run(linn::detail::description_of(BatchNormalization()), {3}, 1, {4, -5, 6}, {{2, 2, 2}, {0.5, 1, -1}, {0, 0, 0}, {1, 1, 1}}, {1, 2, 3},
                        precision);
    run.run();
    EXPECT_EQ(run.output(), Values({0.5, 1, -1}));
    const double rounding = (precision == Precision::float64 ? 0x1p-52 : 0x1p-23) * 2 / std::sqrt(1e-3);  // of gamma / sqrt(epsilon)
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(run.input_gradient()[c], 0, rounding * static_cast<double>(c + 1));
    EXPECT_EQ(run.weight_gradient(0), Values({0, 0, 0}));
    EXPECT_EQ(run.weight_gradient(1), Values({1, 2, 3}));
  }
}

}  // namespace
}  // namespace linn::detail::plan
