// Which ops become one, that the result is the same, and where a pooling costs more joined than apart.
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "core/cpu.h"
#include "kernels/eltwise/activation.h"
#include "kernels/reduce/row_function.h"
#include "linn/layers.h"
#include "plan/compile.h"
#include "plan/ops/conv.h"
#include "plan/ops/dense.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/loss.h"
#include "plan/ops/merge.h"
#include "plan/ops/norm.h"
#include "plan/ops/pad.h"
#include "plan/ops/pool.h"
#include "plan/passes.h"
#include "support/finite_differences.h"
#include "support/plan_run.h"

namespace linn::detail::plan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using tests::expect_slopes;
using tests::PlanRun;
using tests::random_values;
using tests::Values;

std::vector<std::string> ops_of(const Plan& plan) {
  std::vector<std::string> names;
  for (int i = 0; i < plan.ops(); ++i)
    if (plan.op(i).name() != "pack_kernel") names.emplace_back(plan.op(i).name());
  return names;
}

kernels::Geometry same(std::int64_t size, std::int64_t height, std::int64_t width, std::int64_t channels, std::int64_t filters) {
  return *kernels::resolve({.height = size, .width = size, .border = kernels::Border::same}, height, width, channels, filters);
}

kernels::Geometry pooling(std::int64_t size, std::int64_t stride, const Shape& map) {
  return *kernels::resolve({.height = size, .width = size, .stride_height = stride, .stride_width = stride}, map[0], map[1], map[2], map[2]);
}

// Builds the same ops twice, with fusion and without, and compares the kept value; returns the names of the fused ops.
template <class Build>
std::vector<std::string> expect_same_fused(std::int64_t images, const Build& build, double bound32 = 4e-6) {
  std::vector<std::string> names;
  for (const Precision precision : {Precision::float64, Precision::float32}) {
    std::vector<Values> results;
    for (const bool fused : {true, false}) {
      PlanRun run(Purpose::inference);
      const Value kept = build(run);
      run.keep(kept);
      run.compile(images, precision, {}, {.fold = fused, .fuse = fused, .chains = Chains::never});
      run.run(images);
      results.push_back(run.get(kept));
      if (fused) names = ops_of(run.plan());
    }
    double largest = 0, error = 0;
    for (std::size_t i = 0; i < results[0].size(); ++i) {
      largest = std::max(largest, std::abs(results[1][i]));
      error = std::max(error, std::abs(results[0][i] - results[1][i]));
    }
    EXPECT_LE(error, largest * (precision == Precision::float64 ? 1e-13 : bound32));
    EXPECT_GT(largest, 0.01);
  }
  return names;
}

// ---- padding ----------------------------------------------------------------------------------------------------------

// Rows and columns of zeros before a convolution of stride 2, as Keras's MobileNet has them, or around a whole window.
Value padded_convolution(PlanRun& run, const kernels::Pads& pads, kernels::PadMode mode, std::int64_t groups) {
  Lowering& to = run.lowering();
  const Value input = run.bind("input", {10, 13, 6}, Extent::batch, random_values(5 * 10 * 13 * 6, 1));
  const Value padded = pad2d(to, input, pads, mode);
  const kernels::Window window = {.height = 3, .width = 3, .stride_height = 2, .stride_width = 2};
  const Value kernel = run.bind("kernel", {3, 3, 6 / groups, 12}, Extent::fixed, random_values(9 * 6 / groups * 12, 2));
  return activation(to, conv2d(to, padded, kernel, {}, *kernels::resolve(window, padded.shape[0], padded.shape[1], 6, 12, groups)),
                    kernels::Activation::relu6);
}

TEST(Fusions, AConvolutionTakesTheZerosAroundItsMap) {
  for (const kernels::Pads& pads : {kernels::Pads{0, 1, 0, 1}, kernels::Pads{2, 2, 2, 2}, kernels::Pads{1, 0, 2, 1}})
    for (const std::int64_t groups : {1, 6})
      EXPECT_THAT(expect_same_fused(5, [&](PlanRun& run) { return padded_convolution(run, pads, kernels::PadMode::zero, groups); }),
                  ElementsAre("conv2d"));
  const auto others = [](const kernels::Pads& pads, kernels::PadMode mode) {
    return expect_same_fused(5, [&](PlanRun& run) { return padded_convolution(run, pads, mode, 1); });
  };
  EXPECT_THAT(others({1, 1, 1, 1}, kernels::PadMode::circular), ElementsAre("pad2d", "conv2d"));
  EXPECT_THAT(others({3, 3, 1, 1}, kernels::PadMode::zero), ElementsAre("pad2d", "conv2d")) << "windows that see no pixel";
}

// ---- epilogues ------------------------------------------------------------------------------------------------------

NormVariables norm_variables(PlanRun& run, std::int64_t channels, std::uint32_t seed) {
  const auto bind = [&](const char* name, double least, double most) {
    return run.bind(name, {channels}, Extent::fixed, random_values(channels, seed++, least, most));
  };
  return {.gamma = bind("gamma", 0.5, 1.5), .beta = bind("beta", -1, 1), .moving_mean = bind("mean", -1, 1), .moving_variance = bind("variance", 0.5, 2)};
}

// On maps of which several images fit the cache together, and one of which none does.
TEST(Fusions, AResidualBlockIsTwoConvolutionsAtInference) {
  for (const auto& [size, channels, images] : {std::tuple{8, 32, 11}, std::tuple{32, 16, 11}, std::tuple{72, 16, 3}}) {
    const Shape map{size, size, channels};
    const std::vector<std::string> names = expect_same_fused(images, [&, channels = channels, images = images](PlanRun& run) {
      Lowering& to = run.lowering();
      const Value input = run.bind("input", map, Extent::batch, random_values(images * map.elements(), 1));
      const auto conv = [&](Value src, std::uint32_t seed) {
        const Value kernel = run.bind("kernel", {3, 3, channels, channels}, Extent::fixed, random_values(9 * channels * channels, seed, -0.2, 0.2));
        const Value made = conv2d(to, src, kernel, {}, same(3, map[0], map[1], channels, channels));
        return frozen_norm(to, made, norm_variables(run, channels, seed + 1), 1e-3);
      };
      const Value inner = activation(to, conv(input, 10), kernels::Activation::relu);
      const Value terms[] = {conv(inner, 20), input};
      return activation(to, merge(to, kernels::MergeKind::add, terms), kernels::Activation::relu);
    }, 1e-5);
    EXPECT_THAT(names, ElementsAre("norm_coefficients", "fold_norm", "conv2d", "norm_coefficients", "fold_norm", "conv2d"));
  }
}

TEST(Fusions, AnyActivationJoinsAConvolutionAndADense) {
  for (const kernels::Activation kind : kernels::all_activations()) {
    if (kind == kernels::Activation::linear) continue;
    SCOPED_TRACE(kernels::name_of(kind));
    const double least = kind == kernels::Activation::log ? 0.1 : -1;  // log is of positive numbers alone
    EXPECT_THAT(expect_same_fused(11, [&](PlanRun& run) {
      const Value input = run.bind("input", {6, 7, 3}, Extent::batch, random_values(11 * 126, 1, least));
      const Value kernel = run.bind("kernel", {3, 3, 3, 5}, Extent::fixed, random_values(135, 2, least));
      return activation(run.lowering(), conv2d(run.lowering(), input, kernel, {}, same(3, 6, 7, 3, 5)), kind);
    }), ElementsAre("conv2d"));
    EXPECT_THAT(expect_same_fused(11, [&](PlanRun& run) {
      const Value input = run.bind("input", {2, 7}, Extent::batch, random_values(11 * 14, 1, least));
      const Value kernel = run.bind("kernel", {7, 5}, Extent::fixed, random_values(35, 2, least)), bias = run.bind("bias", {5}, Extent::fixed, random_values(5, 3, least));
      return activation(run.lowering(), dense(run.lowering(), input, kernel, bias), kind);
    }), ElementsAre("dense"));
  }
}

// ReLU and its like are activation functions: they join as Activation does, through a normalization.
TEST(Fusions, LayersThatAreAnActivationJoinAConvolution) {
  const std::vector<Layer> layers = {Activation("relu"), ReLU(), ReLU({.max_value = 6}),
                                     ReLU({.max_value = 1.5, .negative_slope = 0.25, .threshold = 0.5}), LeakyReLU(), ELU({.alpha = 0.5})};
  for (const Layer& last : layers) {
    SCOPED_TRACE(last.class_name());
    EXPECT_THAT(expect_same_fused(11, [&](PlanRun& run) {
      Value map = run.bind("input", {6, 7, 3}, Extent::batch, random_values(11 * 126, 1));
      std::uint32_t seed = 2;
      for (const Layer& layer : {Layer(Conv2D(5, 3, {.padding = "same"})), Layer(BatchNormalization()), last}) {
        const layers::DescriptionPtr& description = linn::detail::description_of(layer);
        std::vector<Value> variables;
        for (const VariableSpec& spec : description->declare_variables({&map.shape, 1}))
          variables.push_back(run.bind(spec.name, spec.shape, Extent::fixed, random_values(spec.shape.elements(), seed++, 0.1, 1)));
        map = description->lower_call(run.lowering(), {&map, 1}, variables).front();
      }
      return map;
    }, 1e-5), ElementsAre("norm_coefficients", "fold_norm", "conv2d"));
  }
}

// Zeros around a map become the convolution's own padding, unless a window would see nothing else.
TEST(Fusions, ZerosJoinTheConvolutionThatReadsThem) {
  struct Case {
    kernels::Pads pads;
    kernels::Window window;
    std::int64_t groups;
    kernels::PadMode mode;
    bool joins;
  };
  const kernels::Window three = {.height = 3, .width = 3}, same3 = {.height = 3, .width = 3, .border = kernels::Border::same};
  const kernels::Window down = {.height = 3, .width = 3, .stride_height = 2, .stride_width = 2}, wide = {.height = 2, .width = 2, .dilation_height = 2, .dilation_width = 3};
  const kernels::PadMode zero = kernels::PadMode::zero;
  for (const Case& c : {Case{{0, 1, 0, 1}, down, 16, zero, true}, Case{{1, 1, 1, 1}, three, 1, zero, true}, Case{{2, 1, 0, 2}, three, 1, zero, true},
                        Case{{1, 1, 1, 1}, same3, 1, zero, true}, Case{{2, 2, 3, 3}, wide, 4, zero, true}, Case{{3, 0, 0, 0}, three, 1, zero, false},
                        Case{{2, 2, 2, 2}, same3, 1, zero, false}, Case{{1, 1, 1, 1}, three, 1, kernels::PadMode::reflect, false}}) {
    const std::vector<std::string> names = expect_same_fused(3, [&](PlanRun& run) {
      const Value input = run.bind("input", {12, 13, 16}, Extent::batch, random_values(3 * 12 * 13 * 16, 1));
      const Value padded = pad2d(run.lowering(), input, c.pads, c.mode);
      const Shape shape{c.window.height, c.window.width, 16 / c.groups, 32};
      const Value kernel = run.bind("kernel", shape, Extent::fixed, random_values(shape.elements(), 2));
      return conv2d(run.lowering(), padded, kernel, {}, *kernels::resolve(c.window, padded.shape[0], padded.shape[1], 16, 32, c.groups));
    }, 2e-5);
    if (c.joins)
      EXPECT_THAT(names, ElementsAre("conv2d"));
    else
      EXPECT_THAT(names, ElementsAre("pad2d", "conv2d"));
  }
}

// The joined op stands where the addition stood: behind the other term, however late that is made.
TEST(Fusions, ATermThatIsMadeAfterTheConvolution) {
  const std::vector<std::string> names = expect_same_fused(5, [](PlanRun& run) {
    Lowering& to = run.lowering();
    const Value input = run.bind("input", {6, 6, 4}, Extent::batch, random_values(5 * 144, 1));
    const Value kernel = run.bind("kernel", {3, 3, 4, 4}, Extent::fixed, random_values(144, 2));
    const Value map = conv2d(to, input, kernel, {}, same(3, 6, 6, 4, 4));
    const Value late = rescale(to, activation(to, input, kernels::Activation::tanh), 2, 1);
    return add(to, late, map);
  });
  EXPECT_THAT(names, ElementsAre("activation", "rescale", "conv2d"));
}

TEST(Fusions, TwoConvolutionsThatAreAdded) {
  const std::vector<std::string> names = expect_same_fused(5, [](PlanRun& run) {
    Lowering& to = run.lowering();
    const Value input = run.bind("input", {6, 6, 4}, Extent::batch, random_values(5 * 144, 1));
    const auto map = [&](std::uint32_t seed) {
      return conv2d(to, input, run.bind("kernel", {3, 3, 4, 4}, Extent::fixed, random_values(144, seed)), {}, same(3, 6, 6, 4, 4));
    };
    const Value a = map(2), b = map(3);
    return activation(to, add(to, a, b), kernels::Activation::relu);
  });
  EXPECT_THAT(names, ElementsAre("conv2d", "conv2d"));
}

TEST(Fusions, NotWhereTheSumIsReadElsewhereOrIsNone) {
  const auto map_of = [](PlanRun& run) {
    const Value input = run.bind("input", {6, 6, 4}, Extent::batch, random_values(5 * 144, 1));
    const Value kernel = run.bind("kernel", {3, 3, 4, 4}, Extent::fixed, random_values(144, 2));
    return conv2d(run.lowering(), input, kernel, {}, same(3, 6, 6, 4, 4));
  };
  EXPECT_THAT(expect_same_fused(5, [&](PlanRun& run) {  // twice the same term
    const Value map = map_of(run);
    return add(run.lowering(), map, map);
  }), ElementsAre("conv2d", "add"));
  EXPECT_THAT(expect_same_fused(5, [&](PlanRun& run) {  // read twice
    const Value map = map_of(run);
    return add(run.lowering(), map, activation(run.lowering(), map, kernels::Activation::tanh));
  }), ElementsAre("conv2d", "activation", "add"));
  EXPECT_THAT(expect_same_fused(5, [&](PlanRun& run) {  // repeated over the map
    const Value terms[] = {map_of(run), run.bind("row", {1, 1, 4}, Extent::batch, random_values(20, 8))};
    return merge(run.lowering(), kernels::MergeKind::add, terms);
  }), ElementsAre("conv2d", "merge"));
  EXPECT_THAT(expect_same_fused(5, [&](PlanRun& run) {  // relu before the addition
    const Value other = run.bind("other", {6, 6, 4}, Extent::batch, random_values(5 * 144, 8));
    return add(run.lowering(), activation(run.lowering(), map_of(run), kernels::Activation::relu), other);
  }), ElementsAre("conv2d", "add"));
}

// In training relu and residuals join, whose gradients follow from the output; other activations stay alone.
TEST(Fusions, GradientsOfAConvolutionAndADenseWithAResidual) {
  constexpr std::int64_t images = 11;
  for (const auto kind : {kernels::Activation::relu, kernels::Activation::tanh}) {
    PlanRun run(Purpose::training);
    Lowering& to = run.lowering();
    const Shape map{4, 5, 3};
    const std::vector<Values> numbers = {random_values(images * 60, 1), random_values(81, 2, -0.4, 0.4), random_values(3, 3),
                                         random_values(9, 4)};
    const Value input = run.bind("input", map, Extent::batch, numbers[0]), kernel = run.bind("kernel", {3, 3, 3, 3}, Extent::fixed, numbers[1]),
                bias = run.bind("bias", {3}, Extent::fixed, numbers[2]), matrix = run.bind("matrix", {3, 3}, Extent::fixed, numbers[3]);
    const Value inner = activation(to, add(to, conv2d(to, input, kernel, bias, same(3, 4, 5, 3, 3)), input), kind);
    const Value outer = activation(to, add(to, inner, dense(to, inner, matrix, bias)), kind);
    const Value dot = run.dot(outer, run.bind("upstream", map, Extent::batch, random_values(images * 60, 5)));
    const std::vector<Value> variables = {input, kernel, bias, matrix};
    const std::vector<Value> gradients = run.compile(images, Precision::float64, {.variables = variables, .update = {}});
    const std::vector<std::string> names = ops_of(run.plan());
    EXPECT_EQ(std::count(names.begin(), names.end(), "activation"), kind == kernels::Activation::relu ? 0 : 2);
    for (std::size_t v = 0; v < variables.size(); ++v) {
      run.run(images);
      expect_slopes("value " + std::to_string(v), numbers[v], run.get(gradients[v]), [&](const Values& moved) {
        run.set(variables[v], moved);
        run.run(images);
        const Values dots = run.get(dot);
        return std::accumulate(dots.begin(), dots.end(), 0.0);
      });
    }
  }
}

// A loss that wants what goes into a sigmoid gets it, though a Dense before would take the sigmoid in.
struct Distance {
  template <class T>
  T value(T t, T p) const {
    return (t - p) * (t - p);
  }
  template <class T>
  T slope(T t, T p) const {
    return 2 * (p - t);
  }
};

struct Seven {
  template <class T>
  T value(T, T) const {
    return 7;
  }
  template <class T>
  T slope(T, T) const {
    return 0;
  }
};

TEST(Fusions, ALossReadsThroughASigmoidBeforeADenseTakesIt) {
  PlanRun run(Purpose::inference);
  Lowering& to = run.lowering();
  const Value input = run.bind("input", {7}, Extent::batch, random_values(35, 1)), kernel = run.bind("kernel", {7, 5}, Extent::fixed, random_values(35, 2));
  const Value output = activation(to, dense(to, input, kernel, {}), kernels::Activation::sigmoid);
  const Value target = run.bind("target", {5}, Extent::batch, random_values(25, 3));
  const Value loss =
      row_loss(to, {.prediction = output, .target = target}, kernels::LossFunction::of(Distance{}), kernels::LossFunction::of(Seven{}));
  run.keep(loss);
  run.compile(5, Precision::float32);
  EXPECT_THAT(ops_of(run.plan()), ElementsAre("dense", "row_loss"));
  run.run(5);
  EXPECT_EQ(run.get(loss), Values(5, 7.0)) << "the function for what goes into the sigmoid";
}

// ---- poolings by cost -----------------------------------------------------------------------------------------------

struct PoolCase {
  std::int64_t size, channels, filters;
  std::int64_t window, stride;
};

// The implementation of the one op that remains, or empty if two do.
std::string joined_implementation(const PoolCase& c, Purpose purpose, const kernels::Policy& policy = {}) {
  Lowering to(purpose);
  const Value input = to.value("input", {c.size, c.size, c.channels}, Extent::batch, Element::real, Home::bound);
  const Value kernel = to.value("kernel", {3, 3, c.channels, c.filters}, Extent::fixed, Element::real, Home::bound);
  const Value map = activation(to, conv2d(to, input, kernel, {}, same(3, c.size, c.size, c.channels, c.filters)), kernels::Activation::relu);
  pool2d(to, map, kernels::PoolKind::max, pooling(c.window, c.stride, map.shape));
  fuse(to, policy);
  if (to.ops().size() > 1) return "";
  to.ops().front()->prepare(policy);
  return to.ops().front()->implementation();
}

bool joins(const PoolCase& c, Purpose purpose, const kernels::Policy& policy = {}) { return !joined_implementation(c, purpose, policy).empty(); }

// The same with a global pooling; window and stride are not used.
bool joins_globally(const PoolCase& c, kernels::PoolKind kind, Purpose purpose, const kernels::Policy& policy = {}) {
  Lowering to(purpose);
  const Value input = to.value("input", {c.size, c.size, c.channels}, Extent::batch, Element::real, Home::bound);
  const Value kernel = to.value("kernel", {3, 3, c.channels, c.filters}, Extent::fixed, Element::real, Home::bound);
  const Value map = activation(to, conv2d(to, input, kernel, {}, same(3, c.size, c.size, c.channels, c.filters)), kernels::Activation::relu);
  global_pool2d(to, map, kind);
  fuse(to, policy);
  return to.ops().size() == 1;
}

// The strips of a 3x3 pooling are computed by the form that the convolution alone has; the direct form would take 2.4 times as long.
TEST(PoolingByCost, JoinedWithTheFormOfTheConvolutionAlone) {
  if (core::isa() == core::Isa::scalar) GTEST_SKIP() << "references have one form";
  if (core::cpu().l2_bytes < 1 << 20) GTEST_SKIP() << "the transformed weights of 64 channels, 590 KB, leave this L2 cache";
  for (const PoolCase& c : {PoolCase{56, 64, 64, 3, 2}, PoolCase{112, 32, 32, 3, 2}, PoolCase{112, 32, 32, 2, 1}})
    EXPECT_EQ(joined_implementation(c, Purpose::inference), "conv_pool_forward.strip (winograd4)");
}

// Transformed weights that leave the L2 cache would be read for each strip in place of once for eight images.
TEST(PoolingByCost, ApartWhereWeightsLeaveTheCache) {
  if (core::isa() == core::Isa::scalar) GTEST_SKIP() << "references have one form";
  EXPECT_FALSE(joins({28, 256, 256, 3, 2}, Purpose::inference));
}

TEST(PoolingByCost, JoinedWhereItHasNot) {
  for (const Purpose purpose : {Purpose::inference, Purpose::training}) {
    EXPECT_TRUE(joins({28, 1, 32, 2, 2}, purpose)) << "the notebook's first";
    EXPECT_TRUE(joins({13, 32, 32, 2, 2}, purpose)) << "the notebook's second";
    for (const std::int64_t channels : {16, 32, 64, 128, 256}) EXPECT_TRUE(joins({56, channels, channels, 2, 2}, purpose)) << channels;
    EXPECT_TRUE(joins({12, 2, 8, 3, 2}, purpose)) << "few channels: the direct form, whose strips hold the whole map";
  }
}

TEST(PoolingByCost, GlobalPoolingsToo) {
  if (core::isa() == core::Isa::scalar) GTEST_SKIP() << "references have one form";
  const PoolCase many{56, 128, 128, 0, 0}, few{28, 1, 32, 0, 0};
  for (const kernels::PoolKind kind : {kernels::PoolKind::max, kernels::PoolKind::average}) {
    EXPECT_FALSE(joins_globally(many, kind, Purpose::inference)) << "the weights would be read for each strip";
    EXPECT_TRUE(joins_globally(many, kind, Purpose::inference, {.exact = true}));
    EXPECT_TRUE(joins_globally(few, kind, Purpose::inference)) << "the direct form either way";
  }
  EXPECT_TRUE(joins_globally(many, kernels::PoolKind::max, Purpose::training)) << "sparse gradients are worth more";
}

// Where bits must not depend on positions, or sums must be the direct form's, the convolution alone has no better form either.
TEST(PoolingByCost, FollowsThePolicy) {
  if (core::isa() == core::Isa::scalar) GTEST_SKIP() << "references have one form";
  const PoolCase small{14, 64, 64, 3, 2};
  EXPECT_FALSE(joins(small, Purpose::inference));
  EXPECT_TRUE(joins(small, Purpose::inference, {.position_invariant = true}));
  EXPECT_TRUE(joins(small, Purpose::inference, {.exact = true}));
}

}  // namespace
}  // namespace linn::detail::plan
