// Gradients of chains of layers against finite differences in float64. Those of each layer alone: tests/layers/rows_test.cc.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "core/worker_pool.h"
#include "graph/graph.h"
#include "kernels/gemm/dense.h"
#include "linn/layers.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/loss.h"
#include "plan/ops/update.h"
#include "plan/passes.h"
#include "support/finite_differences.h"
#include "support/plan_run.h"

namespace linn::detail::plan {
namespace {

using tests::expect_slopes;
using tests::random_values;
using tests::Values;

// A graph lowered for training with a loss of its own: the sum of output * upstream.
class GraphRun {
 public:
  GraphRun(const graph::Graph& graph, std::int64_t images, Values input, Values upstream, Precision precision, bool trimmed = true)
      : run_(Purpose::training), images_(images) {
    Lowering& to = run_.lowering();
    input_ = run_.bind("input", graph.input_shape(), Extent::batch, std::move(input));
    lowered_ = graph.lower(to, input_);
    for (std::size_t i = 0; i < graph.variables().size(); ++i) run_.adopt(lowered_.variables[i], tests::values_of(graph.variables()[i].value()));
    const Value flow = run_.bind("upstream", lowered_.outputs[0].shape, Extent::batch, std::move(upstream));
    dot_ = run_.dot(lowered_.outputs[0], flow);
    Training training{.variables = lowered_.variables, .update = {}};
    training.variables.push_back(input_);
    gradients_ = run_.compile(images, precision, training, {.trim = trimmed});
  }

  tests::PlanRun& plan_run() { return run_; }
  std::vector<Values> gradients() { return gradients_of(images_); }
  /// Of the first so many images.
  std::vector<Values> gradients_of(std::int64_t images) {
    run_.run(images, {.seed = 9, .step = 4, .learning_rate = 0});
    std::vector<Values> all;
    for (const Value& gradient : gradients_) all.push_back(gradient.defined() ? run_.get(gradient) : Values{});
    return all;
  }
  /// Of each image, after a run.
  Values dots() { return run_.get(dot_); }
  double objective(std::size_t variable, const Values& values) {
    run_.set(lowered_.variables[variable], values);
    run_.run(images_, {.seed = 9, .step = 4, .learning_rate = 0});
    double sum = 0;
    for (const double part : run_.get(dot_)) sum += part;
    return sum;
  }

 private:
  tests::PlanRun run_;
  std::int64_t images_;
  Value input_, dot_;
  graph::Lowered lowered_;
  std::vector<Value> gradients_;
};

graph::Graph net() {
  graph::Graph graph("net");
  for (const Layer& layer : std::vector<Layer>{Conv2D(4, 3, {.activation = "relu"}), MaxPooling2D(2), Dropout(0.25), Conv2D(6, 3, {.padding = "same", .activation = "relu"}),
                                               AveragePooling2D(2, {.padding = "same"}), Flatten(), Dense(20, {.activation = "relu"}), Dense(5, {.activation = "softmax"})})
    graph.append(linn::detail::description_of(layer), 11);
  graph.build({13, 12, 2}, 11);
  return graph;
}

// The three orders of convolution, normalization, relu and pooling, and a normalization of rows.
graph::Graph normalized_net() {
  graph::Graph graph("net");
  for (const Layer& layer : std::vector<Layer>{
           Conv2D(4, 3, {.use_bias = false}), BatchNormalization({.gamma_initializer = initializers::RandomUniform{0.5, 1.5}}), Activation("relu"),
           MaxPooling2D(2), Conv2D(5, 3, {.padding = "same"}), MaxPooling2D(2), BatchNormalization({.beta_initializer = initializers::RandomUniform{}}),
           Activation("relu"), Conv2D(6, 2, {.activation = "relu"}), MaxPooling2D(2, {.strides = 1}), Flatten(), Dense(20),
           BatchNormalization({.epsilon = 0.1, .scale = false}), Activation("relu"), Dense(5, {.activation = "softmax"})})
    graph.append(linn::detail::description_of(layer), 11);
  graph.build({17, 18, 2}, 11);
  return graph;
}

// A global maximum right behind its convolution.
graph::Graph global_max_net() {
  graph::Graph graph("net");
  for (const Layer& layer : std::vector<Layer>{Conv2D(4, 3, {.activation = "relu"}), MaxPooling2D(2), Conv2D(9, 3, {.padding = "same", .activation = "relu"}),
                                               GlobalMaxPooling2D(), Dense(5, {.activation = "softmax"})})
    graph.append(linn::detail::description_of(layer), 11);
  graph.build({13, 12, 2}, 11);
  return graph;
}

// Convolutions of enough channels for Winograd's forms, none of which a pooling takes in.
graph::Graph wide_net() {
  graph::Graph graph("net");
  for (const Layer& layer : std::vector<Layer>{Conv2D(32, 3, {.padding = "same"}), Conv2D(36, 3, {.padding = "same", .activation = "relu"}),
                                               Conv2D(32, 3, {.padding = "same", .activation = "relu", .use_bias = false}),
                                               AveragePooling2D(2), Flatten(), Dense(5, {.activation = "softmax"})})
    graph.append(linn::detail::description_of(layer), 11);
  graph.build({12, 9, 2}, 11);
  return graph;
}

// So many that Winograd's tiles of 4x4 run, alone and with a pooling.
graph::Graph wider_net() {
  graph::Graph graph("net");
  for (const Layer& layer : std::vector<Layer>{Conv2D(48, 3, {.padding = "same"}), Conv2D(50, 3, {.padding = "same", .activation = "relu"}),
                                               Conv2D(49, 3, {.padding = "same", .activation = "relu"}), MaxPooling2D(2), Flatten(),
                                               Dense(5, {.activation = "softmax"})})
    graph.append(linn::detail::description_of(layer), 11);
  graph.build({11, 8, 2}, 11);
  return graph;
}

// Convolutions in groups, alone, before poolings and before a global maximum, and the strided 1x1 convolution of a residual block.
graph::Graph grouped_kernels_net() {
  graph::Graph graph("net");
  for (const Layer& layer :
       std::vector<Layer>{Conv2D(12, 1, {.strides = 2, .use_bias = false}), Conv2D(12, 3, {.padding = "same", .groups = 3, .activation = "relu"}),
                          MaxPooling2D(2), Conv2D(12, 3, {.padding = "same", .dilation_rate = 2, .groups = 12}),
                          AveragePooling2D(2, {.strides = 1}), Conv2D(24, 3, {.strides = 2, .padding = "same", .groups = 12, .activation = "relu"}),
                          Conv2D(18, 3, {.padding = "same", .groups = 6}), GlobalMaxPooling2D(), Dense(5)})
    graph.append(linn::detail::description_of(layer), 11);
  graph.build({19, 18, 2}, 11);
  return graph;
}

// Down and up again, between layers that join their neighbours: relus, a pooling. A window of zeros makes the bias alone, which must not lie
// on relu's kink.
graph::Graph separable_net() {
  graph::Graph graph("net");
  for (const Layer& layer : std::vector<Layer>{
           Conv2D(6, 3, {.strides = 2, .padding = "same", .activation = "relu"}),
           DepthwiseConv2D(3, {.padding = "same", .activation = "relu", .bias_initializer = initializers::RandomUniform{0.1, 0.5}}), MaxPooling2D(2),
           SeparableConv2D(8, 3, {.padding = "same", .depth_multiplier = 2}),
           Conv2DTranspose(10, 3, {.strides = 2, .padding = "same", .activation = "relu"}), DepthwiseConv2D(3, {.strides = 2, .use_bias = false}),
           Conv2DTranspose(7, 2, {.strides = 3, .use_bias = false}), Activation("relu"), GlobalAveragePooling2D(), Dense(5)})
    graph.append(linn::detail::description_of(layer), 11);
  graph.build({19, 18, 2}, 11);
  return graph;
}

// Every padding that is an op of its own. Windows that see nothing but padding make the bias alone, which must not lie on relu's kink.
graph::Graph padded_net() {
  graph::Graph graph("net");
  for (const Layer& layer :
       std::vector<Layer>{ZeroPadding2D({{1, 0}, {2, 1}}),
                          Conv2D(4, 3, {.padding = "circular", .activation = "relu", .bias_initializer = initializers::RandomUniform{0.1, 0.5}}),
                          MaxPooling2D(3, {.strides = 2, .padding = "circular"}), Conv2D(6, 3, {.padding = "full"}),
                          MaxBlurPooling2D(2, {.filter_size = 3}), AveragePooling2D(3, {.strides = 1, .padding = "circular"}),
                          BlurPooling2D(4, {.strides = 1, .border = "circular"}), Flatten(), Dense(5)})
    graph.append(linn::detail::description_of(layer), 11);
  graph.build({13, 11, 2}, 11);
  return graph;
}

// Groups have no sparse gradient: in training neither pooling is joined to its convolution.
graph::Graph grouped_net() {
  graph::Graph graph("net");
  for (const Layer& layer : std::vector<Layer>{Conv2D(4, 3, {.groups = 2, .activation = "relu"}), MaxPooling2D(2),
                                               Conv2D(6, 3, {.padding = "same", .groups = 2}), GlobalMaxPooling2D(), Dense(5)})
    graph.append(linn::detail::description_of(layer), 11);
  graph.build({11, 10, 2}, 11);
  return graph;
}

// Poolings of stride 1 of which polyphase sampling wants one phase: 2x2 windows that meet, 3x3 windows that overlap, strides of 3 and 1.
graph::Graph phase_net() {
  graph::Graph graph("net");
  for (const Layer& layer :
       std::vector<Layer>{Conv2D(4, 3, {.padding = "circular"}), MaxPooling2D(2, {.strides = 1, .padding = "circular"}), AdaptivePolyphaseSampling2D(),
                          Conv2D(5, 3, {.padding = "circular", .activation = "tanh"}), MaxPooling2D(3, {.strides = 1, .padding = "circular"}),
                          AdaptivePolyphaseSampling2D({.strides = {3, 1}, .order = "l1"}), GlobalAveragePooling2D(), Dense(5)})
    graph.append(linn::detail::description_of(layer), 11);
  graph.build({12, 10, 2}, 11);
  return graph;
}

void check_chain(const graph::Graph& graph) {
  constexpr std::int64_t images = 11;  // more than one shard
  GraphRun run(graph, images, random_values(images * graph.input_shape().elements(), 1), random_values(images * 5, 2), Precision::float64);
  const std::vector<Values> gradients = run.gradients();
  for (std::size_t v = 0; v < graph.variables().size(); ++v) {
    const graph::GraphVariable& variable = graph.variables()[v];
    EXPECT_EQ(gradients[v].empty(), !variable.trainable()) << variable.name;
    if (!variable.trainable()) continue;
    expect_slopes(variable.name, tests::values_of(variable.value()), gradients[v], [&](const Values& values) { return run.objective(v, values); });
  }
}

TEST(Gradients, AChainAgainstFiniteDifferences) { check_chain(net()); }
TEST(Gradients, ANormalizedChainAgainstFiniteDifferences) { check_chain(normalized_net()); }
TEST(Gradients, AGroupedChainAgainstFiniteDifferences) { check_chain(grouped_net()); }
TEST(Gradients, AChainWithAGlobalMaximumAgainstFiniteDifferences) { check_chain(global_max_net()); }
TEST(Gradients, APaddedAndBlurredChainAgainstFiniteDifferences) { check_chain(padded_net()); }
TEST(Gradients, SeparableAndTransposedConvolutionsAgainstFiniteDifferences) { check_chain(separable_net()); }
TEST(Gradients, GroupedConvolutionsAgainstFiniteDifferences) { check_chain(grouped_kernels_net()); }
TEST(Gradients, PhasesOfPoolingsAgainstFiniteDifferences) { check_chain(phase_net()); }

void check_threads(const graph::Graph& graph) {
  for (const std::int64_t images : {1, 8, 37, 64}) {
    std::vector<Values> first;
    for (const int threads : {1, 2, 3, 8}) {
      core::set_threads(threads);
      GraphRun run(graph, images, random_values(images * graph.input_shape().elements(), 1), random_values(images * 5, 2),
                   Precision::float32);
      for (int repeat = 0; repeat < 3; ++repeat) {
        const std::vector<Values> gradients = run.gradients();
        if (first.empty()) first = gradients;
        for (std::size_t v = 0; v < first.size(); ++v) EXPECT_EQ(gradients[v], first[v]) << images << " images, " << threads << " threads, value " << v;
      }
    }
  }
  core::set_threads(2);
}

TEST(Gradients, SameBitsOnAnyNumberOfThreadsWithPadding) { check_threads(padded_net()); }
TEST(Gradients, SameBitsOnAnyNumberOfThreadsWithSeparableConvolutions) { check_threads(separable_net()); }
TEST(Gradients, SameBitsOnAnyNumberOfThreadsWithGroups) { check_threads(grouped_kernels_net()); }
TEST(Gradients, SameBitsOnAnyNumberOfThreadsWithPhases) { check_threads(phase_net()); }
TEST(Gradients, SameBitsOnAnyNumberOfThreads) { check_threads(net()); }
TEST(Gradients, SameBitsOnAnyNumberOfThreadsWithAGlobalMaximum) { check_threads(global_max_net()); }
TEST(Gradients, SameBitsOnAnyNumberOfThreadsWithWinograd) { check_threads(wide_net()); }
TEST(Gradients, SameBitsOnAnyNumberOfThreadsWithLargerTiles) { check_threads(wider_net()); }
TEST(Gradients, SameBitsOnAnyNumberOfThreadsWithStatisticsOfTheBatch) { check_threads(normalized_net()); }

// What the plan's own layouts of kernels feed, in float32, against the references in float64: errors within `bound` of the largest
// gradient.
void check_agrees_with_float64(const graph::Graph& graph, double bound) {
  const Values input = random_values(11 * graph.input_shape().elements(), 1), upstream = random_values(11 * 5, 2);
  GraphRun single(graph, 11, input, upstream, Precision::float32), exact(graph, 11, input, upstream, Precision::float64);
  const std::vector<Values> actual = single.gradients(), expected = exact.gradients();
  for (std::size_t v = 0; v < expected.size(); ++v) {
    ASSERT_EQ(actual[v].size(), expected[v].size());
    double largest = 0, error = 0;
    for (std::size_t i = 0; i < expected[v].size(); ++i) {
      largest = std::max(largest, std::abs(expected[v][i]));
      error = std::max(error, std::abs(actual[v][i] - expected[v][i]));
    }
    EXPECT_LT(error, bound * largest) << graph.variables()[v].name;
  }
}

TEST(Gradients, SeparableAndTransposedConvolutionsAgreeWithFloat64) { check_agrees_with_float64(separable_net(), 2e-6); }
TEST(Gradients, GroupedConvolutionsAgreeWithFloat64) { check_agrees_with_float64(grouped_kernels_net(), 2e-6); }
TEST(Gradients, WinogradAgreesWithFloat64) { check_agrees_with_float64(wide_net(), 2e-6); }
TEST(Gradients, LargerTilesAgreeWithFloat64) { check_agrees_with_float64(wider_net(), 4e-6); }

void check_smaller_batches(const graph::Graph& graph) {
  const std::int64_t pixels = graph.input_shape().elements();
  const Values input = random_values(40 * pixels, 1), upstream = random_values(40 * 5, 2);
  GraphRun large(graph, 40, input, upstream, Precision::float32);
  const auto first = [](const Values& all, std::int64_t count) { return Values(all.begin(), all.begin() + count); };
  for (const std::int64_t images : {1, 7, 8, 9, 24, 39}) {
    GraphRun exact(graph, images, first(input, images * pixels), first(upstream, images * 5), Precision::float32);
    const std::vector<Values> want = exact.gradients();
    EXPECT_EQ(large.gradients_of(images), want) << images;
  }
}

// Rows and columns of maps that windows do not reach: neither does it matter to any number whether they are computed.
TEST(Trim, LeavesOutWhatNobodyReads) {
  const std::vector<std::vector<Layer>> nets = {
      {Conv2D(3, 3, {.activation = "relu"}), MaxPooling2D(2), Conv2D(4, 3), MaxPooling2D(2), Flatten()},
      {Conv2D(3, 3), AveragePooling2D(2), Conv2D(4, 2, {.strides = 2}), AveragePooling2D({2, 3}), Flatten()},
      {Conv2D(3, 3, {.padding = "same"}), MaxPooling2D(3, {.strides = 2}), Conv2D(2, 3, {.padding = "same", .activation = "relu"}),
       MaxPooling2D(2), GlobalMaxPooling2D()},
      {Conv2D(2, 3), Conv2D(3, 2, {.dilation_rate = 2}), MaxPooling2D({3, 2}, {.strides = {2, 3}, .padding = "same"}),
       Conv2D(2, 2, {.strides = 3}), Flatten()},
      {Conv2D(3, 3, {.padding = "same"}), MaxPooling2D(2, {.strides = {3, 2}, .dilation_rate = {2, 3}}), Conv2D(2, 2),
       AveragePooling2D({2, 2}, {.strides = 2, .padding = Pads2(1), .dilation_rate = {2, 1}}), Flatten()},
      {ZeroPadding2D({{2, 3}, {1, 4}}), Conv2D(3, 3), MaxPooling2D(4), Conv2D(2, 3, {.padding = "full"}), MaxPooling2D(4), Flatten()},
      {Conv2D(3, 3), BlurPooling2D(3, {.border = "zero"}), MaxPooling2D(4), BlurPooling2D(2, {.border = "zero", .pads = "kornia"}),
       Flatten()},
      {MaxPooling2D(2), AveragePooling2D(2), Activation("tanh"), MaxPooling2D(2), Flatten()}};
  for (const std::vector<Layer>& layers : nets)
    for (const Shape& image : {Shape{21, 22, 2}, Shape{23, 25, 2}}) {
      graph::Graph graph("net");
      for (const Layer& layer : layers) graph.append(linn::detail::description_of(layer), 11);
      graph.build(image, 11);
      const Values input = random_values(9 * image.elements(), 1), upstream = random_values(9 * graph.output_shape().elements(), 2);
      GraphRun whole(graph, 9, input, upstream, Precision::float64, false), trimmed(graph, 9, input, upstream, Precision::float64);
      EXPECT_EQ(trimmed.gradients(), whole.gradients()) << image.to_string();
      EXPECT_EQ(trimmed.dots(), whole.dots()) << image.to_string();
    }
}

TEST(Trim, PaddingThatNobodyReads) {
  graph::Graph graph("net");
  for (const Layer& layer : {Layer(ZeroPadding2D({{1, 3}, {2, 2}})), Layer(MaxPooling2D(3))}) graph.append(linn::detail::description_of(layer), 1);
  graph.build({6, 7, 2}, 1);
  Lowering to(Purpose::inference);
  graph.lower(to, to.value("input", {6, 7, 2}, Extent::batch, Element::real, Home::bound));
  trim(to);
  ASSERT_EQ(to.ops().size(), 2U);
  EXPECT_EQ(to.ops()[0]->outputs[0].shape, (Shape{9, 9, 2})) << "of 10x11";
  EXPECT_EQ(to.ops()[1]->outputs[0].shape, (Shape{3, 3, 2}));
}

TEST(Trim, TheNotebooksMaps) {
  graph::Graph graph("notebook");
  for (const Layer& layer : {Layer(Conv2D(32, 3, {.activation = "relu"})), Layer(MaxPooling2D(2)), Layer(Conv2D(32, 3, {.activation = "relu"})), Layer(MaxPooling2D(2)), Layer(Flatten())})
    graph.append(linn::detail::description_of(layer), 1);
  graph.build({28, 28, 1}, 1);
  Lowering to(Purpose::inference);
  graph.lower(to, to.value("input", {28, 28, 1}, Extent::batch, Element::real, Home::bound));
  fuse(to);
  trim(to);
  ASSERT_EQ(to.ops().size(), 2U);
  // 5x5 windows see 10x10 of the 11x11 outputs, and these 12x12 of the 13x13 windows before them.
  EXPECT_EQ(to.ops()[0]->outputs[0].shape, (Shape{12, 12, 32}));
  EXPECT_EQ(to.ops()[1]->inputs[0].shape, (Shape{12, 12, 32}));
  EXPECT_EQ(to.ops()[1]->outputs[0].shape, (Shape{5, 5, 32}));
  EXPECT_EQ(to.ops()[0]->flops(1), 2.0 * 24 * 24 * 32 * 9);
  EXPECT_EQ(to.ops()[1]->flops(1), 2.0 * 10 * 10 * 32 * 9 * 32);
}

TEST(Plan, ServesSmallerBatchesWithTheSameBits) {
  check_smaller_batches(net());
  check_smaller_batches(normalized_net());
  check_smaller_batches(global_max_net());
  check_smaller_batches(wide_net());
  check_smaller_batches(padded_net());
  check_smaller_batches(phase_net());
}

// What a training step consists of: batch, net, loss, gradients of the variables, updates.
Plan training_plan(const graph::Graph& graph, const kernels::Policy& policy = {}) {
  Lowering to(Purpose::training);
  const Value input = gather(to, 0, graph.input_shape(), DType::f32);
  const graph::Lowered lowered = graph.lower(to, input);
  const Value labels = gather_labels(to, 1, 1, DType::i64);
  const Value loss = crossentropy(to, {.prediction = lowered.outputs[0], .target = labels}, {.classes = lowered.outputs[0].shape[-1]});
  loss_sum(to, loss, {});
  Training training;
  for (std::size_t v = 0; v < lowered.variables.size(); ++v)
    if (graph.variables()[v].trainable()) training.variables.push_back(lowered.variables[v]);
  training.update = [&](Lowering& step, const std::vector<Value>& gradients) {
    for (std::size_t v = 0; v < gradients.size(); ++v) {
      const Value variable = training.variables[v];
      std::vector<Value> slots;
      for (const char* slot : {"momentum", "velocity"}) slots.push_back(step.value(slot, variable.shape, Extent::fixed, Element::real, Home::bound));
      adam_update(step, {.beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-7, .amsgrad = false}, {.gradient = gradients[v], .variable = variable, .slots = slots});
    }
  };
  return compile(std::move(to), training, {.batch = 32, .precision = Precision::float32, .policy = policy}).plan;
}

// Implementations of the convolutions and their gradients that a plan chose.
std::set<std::string> convolutions_of(const Plan& plan) {
  std::set<std::string> names;
  for (int i = 0; i < plan.ops(); ++i)
    if (plan.op(i).name().starts_with("conv2d")) names.insert(plan.op(i).implementation());
  return names;
}

TEST(Plan, WinogradIsChosenUnlessThePolicyForbidsIt) {
  const std::set<std::string> direct = {"conv_forward.direct", "conv_forward.few_channels", "conv_input_gradient.direct",
                                        "conv_kernel_gradient.direct"};
  if (core::isa() == core::Isa::scalar) GTEST_SKIP() << "no vectors here";
  EXPECT_EQ(convolutions_of(training_plan(wide_net())),
            (std::set<std::string>{"conv_forward.few_channels", "conv_forward.winograd4", "conv_input_gradient.winograd4",
                                   "conv_kernel_gradient.direct", "conv_kernel_gradient.winograd4"}));  // the first layer's are direct
  EXPECT_EQ(convolutions_of(training_plan(wide_net(), {.exact = true})), direct);
  const std::set<std::string> wider = convolutions_of(training_plan(wider_net()));
  for (const char* name :
       {"conv_forward.winograd4", "conv_input_gradient.winograd4", "conv_kernel_gradient.winograd4", "conv_pool_forward.winograd4"})
    EXPECT_TRUE(wider.contains(name)) << name;
  for (const std::string& name : convolutions_of(training_plan(wider_net(), {.exact = true})))
    EXPECT_EQ(name.find("winograd"), std::string::npos) << name;
}

// The kernels of a joined convolution and pooling have gradients of ungrouped convolutions alone.
TEST(Plan, GroupedConvolutionsAreNotJoinedWithPoolingInTraining) {
  const Plan plan = training_plan(grouped_kernels_net());
  std::map<std::string_view, int> count;
  for (int i = 0; i < plan.ops(); ++i) ++count[plan.op(i).name()];
  EXPECT_EQ(count["conv2d"], 5);
  EXPECT_EQ(count["conv2d_kernel_gradient"], 5);
  EXPECT_EQ(count["conv2d_pool"] + count["conv2d_global_pool"], 0);
  if (core::isa() < core::Isa::avx2) GTEST_SKIP() << "no vectors for groups of 4 channels here";
  const std::set<std::string> used = convolutions_of(plan);
  for (const char* name : {"conv_forward.depthwise", "conv_forward.grouped", "conv_input_gradient.depthwise", "conv_input_gradient.grouped",
                           "conv_kernel_gradient.depthwise", "conv_kernel_gradient.grouped"})
    EXPECT_TRUE(used.contains(name)) << name;
}

// Of a pooling whose phase is taken only the windows of that phase have gradients: no op pushes zeros through the others.
TEST(Plan, PoolingOfWhichOnePhaseIsTakenIsDoneAtThatPhase) {
  const Plan plan = training_plan(phase_net());
  std::map<std::string_view, int> count;
  for (int i = 0; i < plan.ops(); ++i) ++count[plan.op(i).name()];
  EXPECT_EQ(count["pool2d_phase"], 2);
  EXPECT_EQ(count["pool2d_phase_input_gradient"], 2);
  EXPECT_EQ(count["take_phase"] + count["take_phase_input_gradient"] + count["pool2d_input_gradient"], 0);
}

// A dense layer over pixels has many rows an image.
TEST(Plan, DenseOverPixelsHasRoomForAllRows) {
  graph::Graph graph("net");
  for (const Layer& layer : std::vector<Layer>{Dense(70), Flatten(), Dense(5, {.activation = "softmax"})}) graph.append(linn::detail::description_of(layer), 3);
  graph.build({9, 8, 60}, 3);
  const Plan plan = training_plan(graph);
  const kernels::DenseKernelGradient::Problem problem = {.inputs = 60, .outputs = 70, .shard = most_of_shard * 9 * 8};
  const std::int64_t needed = kernels::choose<kernels::DenseKernelGradient>(problem).scratch(problem, 32 * 9 * 8);
  std::int64_t most = 0;
  for (int i = 0; i < plan.ops(); ++i)
    if (plan.op(i).name() == "dense_kernel_gradient") most = std::max(most, plan.op(i).scratch(32));
  EXPECT_EQ(most, needed);
}

// Without layouts of kernels, which depend on the instruction set.
std::vector<std::string> segments_of(const Plan& plan) {
  std::vector<std::string> text;
  for (const Segment& segment : plan.segments()) {
    text.emplace_back(segment.cut == Cut::images ? "images:" : "outputs:");
    for (const int op : segment.ops)
      if (plan.op(op).name() != "pack_kernel") text.back() += ' ' + std::string(plan.op(op).name());
  }
  return text;
}

TEST(Plan, SegmentsOfATrainingStep) {
  const std::vector<std::string> text = segments_of(training_plan(net()));
  // Kernels are transposed before anything overwrites them, and each worker takes its images from the batch to the last
  // gradient in one go. Sums over images follow, and what needs those comes last. Relus are part of their conv or dense, max
  // pooling of its conv (whose kernel gradient comes turned, the bias's and relu's with it), the average stays alone, as relu's gradient
  // needs the map; the loss reads what goes into the softmax, which nobody else does, so it is not computed; nor is the gradient of the
  // input.
  EXPECT_THAT(text, ::testing::ElementsAre("outputs: transpose_kernel transpose_kernel transpose_kernel",
                                           "images: gather conv2d_pool dropout conv2d pool2d dense dense gather_labels crossentropy"
                                           " loss_seed crossentropy_gradient bias_gradient dense activation_gradient bias_gradient dense pool2d_input_gradient activation_gradient"
                                           " conv2d_kernel_gradient bias_gradient conv2d_input_gradient dropout conv2d_pool_kernel_gradient",
                                           "outputs: loss_sum dense_kernel_gradient dense_kernel_gradient transpose_kernel adam_update"
                                           " adam_update adam_update adam_update adam_update",
                                           "outputs: adam_update adam_update adam_update"));
}

// Of the last convolution only the pixels that hold a maximum are ever looked at again.
TEST(Plan, AGlobalMaximumIsPartOfItsConvolution) {
  const std::vector<std::string> text = segments_of(training_plan(global_max_net()));
  ASSERT_GE(text.size(), 2U);
  EXPECT_EQ(text[1],
            "images: gather conv2d_pool conv2d_global_pool dense gather_labels crossentropy loss_seed crossentropy_gradient bias_gradient dense"
            " conv2d_global_pool_kernel_gradient conv2d_global_pool_input_gradient conv2d_pool_kernel_gradient");
}

TEST(Plan, GlobalPoolingIsPartOfAnInferencesConvolution) {
  for (const Layer& pooling : {Layer(GlobalMaxPooling2D()), Layer(GlobalAveragePooling2D())}) {
    graph::Graph graph("net");
    for (const Layer& layer : {Layer(Conv2D(8, 3, {.use_bias = false})), Layer(BatchNormalization()), Layer(Activation("relu")), pooling})
      graph.append(linn::detail::description_of(layer), 1);
    graph.build({12, 12, 3}, 1);
    Lowering to(Purpose::inference);
    graph.lower(to, to.value("input", {12, 12, 3}, Extent::batch, Element::real, Home::bound));
    fold(to);
    fuse(to);
    ASSERT_EQ(to.ops().back()->name(), "conv2d_global_pool");
    EXPECT_EQ(to.ops().size(), 3U) << "the coefficients, the folded kernel, and all else";
  }
}

// Statistics are barriers: forward, and in the gradients the sums behind them. Pooling that follows its convolution is joined to it
// and keeps the sparse gradients, normalization behind it or not; relu is part of the normalization.
TEST(Plan, SegmentsOfATrainingStepWithStatistics) {
  EXPECT_THAT(
      segments_of(training_plan(normalized_net())),
      ::testing::ElementsAre(
          "outputs: transpose_kernel transpose_kernel", "images: gather conv2d norm_moments gather_labels loss_seed", "outputs: norm_statistics",
          "images: batch_norm pool2d conv2d_pool norm_moments", "outputs: norm_statistics moving_statistics",
          "images: batch_norm conv2d_pool dense", "outputs: norm_statistics moving_statistics",
          "images: batch_norm dense crossentropy crossentropy_gradient bias_gradient dense norm_gradient_sums",
          "outputs: loss_sum dense_kernel_gradient norm_gradient adam_update moving_statistics",
          "images: norm_input_gradient bias_gradient dense conv2d_pool_kernel_gradient"
          " conv2d_pool_input_gradient norm_gradient_sums",
          "outputs: dense_kernel_gradient transpose_kernel norm_gradient adam_update adam_update adam_update adam_update",
          "images: norm_input_gradient conv2d_pool_kernel_gradient conv2d_pool_input_gradient pool2d_input_gradient"
          " norm_gradient_sums",
          "outputs: transpose_kernel norm_gradient adam_update adam_update adam_update adam_update adam_update",
          "images: norm_input_gradient conv2d_kernel_gradient", "outputs: adam_update adam_update adam_update adam_update"));
}

}  // namespace
}  // namespace linn::detail::plan
