// Chains of convolutions in strips of rows have the bits of the same convolutions one after the other.
#include <gmock/gmock.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/cpu.h"
#include "core/worker_pool.h"
#include "kernels/eltwise/activation.h"
#include "plan/ops/append.h"
#include "plan/ops/conv.h"
#include "plan/ops/eltwise.h"
#include "plan/profile.h"
#include "support/finite_differences.h"
#include "support/plan_run.h"

namespace linn::detail::plan {
namespace {

using kernels::Activation;
using kernels::ActivationSpec;
using kernels::Border;
using kernels::Window;
using tests::PlanRun;
using tests::random_values;
using tests::Values;

constexpr ActivationSpec relu6 = Activation::relu6;

// A convolution of a network; 0 groups: one for each channel.
struct Layer {
  std::int64_t filters;
  Window window;
  std::int64_t groups = 1;
  ActivationSpec activation = Activation::linear;
  bool residual = false;  // of the network's input
};

struct Network {
  std::string name;
  Shape map;
  std::vector<Layer> layers;
};

Window square(std::int64_t size, std::int64_t stride = 1, std::int64_t dilation = 1, Border border = Border::same) {
  return {.height = size,
          .width = size,
          .stride_height = stride,
          .stride_width = stride,
          .dilation_height = dilation,
          .dilation_width = dilation,
          .border = border};
}

Network inverted(const Shape& map, std::int64_t wide, std::int64_t filters, std::int64_t stride, bool residual) {
  return {"inverted residual, stride " + std::to_string(stride),
          map,
          {{wide, square(1), 1, relu6}, {wide, square(3, stride), 0, relu6}, {filters, square(1), 1, Activation::linear, residual}}};
}

std::vector<Network> networks() {
  const Layer narrow = {16, square(1), 1, Activation::relu}, middle = {16, square(3), 1, Activation::relu};
  return {
      inverted({40, 36, 24}, 96, 24, 1, true),
      inverted({39, 37, 16}, 64, 24, 2, false),
      inverted({7, 9, 32}, 100, 40, 1, false),
      inverted({24, 23, 20}, 70, 33, 2, false),
      {"bottleneck", {28, 27, 64}, {narrow, middle, {64, square(1), 1, Activation::relu, true}}},
      {"bottleneck with tiles",
       {29, 26, 128},
       {{64, square(1), 1, Activation::relu}, {64, square(3), 1, Activation::relu}, {128, square(1), 1, Activation::relu, true}}},
      {"basic block", {31, 33, 16}, {middle, {16, square(3), 1, Activation::relu, true}}},
      {"basic block with tiles", {26, 30, 64}, {{64, square(3), 1, Activation::relu}, {64, square(3), 1, Activation::silu, true}}},
      {"dilated windows",
       {33, 29, 12},
       {{20, square(3, 1, 2)}, {20, square(3, 1, 3, Border::valid), 0}, {17, square(5, 1, 1, Border::valid), 1, Activation::silu}}},
      {"strides larger than windows",
       {37, 35, 12},
       {{24, square(3), 1, Activation::relu}, {24, square(1, 2)}, {30, square(2, 3, 1, Border::valid)}}},
      {"residuals inside",
       {21, 22, 24},
       {{24, square(3), 1, Activation::gelu, true}, {24, square(3), 1, Activation::tanh, true}, {24, square(1), 1, relu6, true}}},
      {"groups and multipliers", {25, 24, 16}, {{32, square(3), 4}, {64, square(3), 32, Activation::relu}, {24, square(5), 8}}},
      {"one row", {1, 300, 16}, {{32, square(1), 1, Activation::relu}, {16, {.height = 1, .width = 3, .border = Border::same}}}},
      {"one column", {60, 1, 16}, {{32, {.height = 7, .width = 1, .border = Border::same}, 1, Activation::relu}, {16, square(3)}}},
  };
}

class PlannedNetwork {
 public:
  PlannedNetwork(const Network& network, std::int64_t batch, Precision precision, Chains chains, const kernels::Policy& policy = {}) : run_(Purpose::inference) {
    Lowering& to = run_.lowering();
    const Value input = run_.bind("input", network.map, Extent::batch, random_values(batch * network.map.elements(), 1));
    Value map = input;
    for (const Layer& layer : network.layers) {
      const std::int64_t channels = map.shape[2], groups = layer.groups == 0 ? channels : layer.groups, depth = channels / groups;
      const std::int64_t taps = layer.window.height * layer.window.width;
      const double scale = 1.7 / std::sqrt(static_cast<double>(taps * depth));
      const Value kernel = weights({layer.window.height, layer.window.width, depth, layer.filters}, scale),
                  bias = weights({layer.filters}, 0.3);
      map = conv2d(to, map, kernel, bias, *kernels::resolve(layer.window, map.shape[0], map.shape[1], channels, layer.filters, groups));
      if (layer.residual) map = add(to, map, input);
      if (layer.activation != ActivationSpec{}) map = activation(to, map, layer.activation);
    }
    output_ = map;
    run_.keep(output_);
    run_.compile(batch, precision, {}, {.chains = chains}, policy);
  }

  Values outputs(std::int64_t images, int threads) {
    core::set_threads(threads);
    run_.make_workspace();
    run_.run(images);
    core::set_threads(1);
    return run_.get(output_);
  }
  std::vector<std::string> implementations() const {
    std::vector<std::string> all;
    for (int i = 0; i < run_.plan().ops(); ++i)
      if (run_.plan().op(i).name() == "conv2d_chain") all.push_back(run_.plan().op(i).implementation());
    return all;
  }
  const Plan& plan() const { return run_.plan(); }

 private:
  Value weights(const Shape& shape, double scale) {
    Values numbers = random_values(shape.elements(), ++seed_, -scale, scale);
    return run_.bind("weights", shape, Extent::fixed, std::move(numbers));
  }

  PlanRun run_;
  std::uint32_t seed_ = 10;
  Value output_;
};

double largest_of(const Values& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

void expect_one_chain_of_all(const PlannedNetwork& run, const Network& network) {
  ASSERT_EQ(run.implementations().size(), 1U);
  const std::string text = run.implementations()[0];
  EXPECT_EQ(std::count(text.begin(), text.end(), '>'), static_cast<std::ptrdiff_t>(network.layers.size()) - 1) << text;
}

TEST(ConvChains, HaveTheBitsOfConvolutionsApart) {
  constexpr std::int64_t most = 20;
  for (const Network& network : networks()) {
    SCOPED_TRACE(network.name);
    PlannedNetwork apart(network, most, Precision::float32, Chains::never);
    EXPECT_TRUE(apart.implementations().empty());
    PlannedNetwork joined(network, most, Precision::float32, Chains::always), usual(network, most, Precision::float32, Chains::where_cheaper);
    expect_one_chain_of_all(joined, network);
    for (const std::int64_t images : {1, 3, 8, 20}) {
      const Values expected = apart.outputs(images, 1);
      EXPECT_GT(largest_of(expected), 0.1);
      for (const int threads : {1, 2, 3, 8}) {
        EXPECT_EQ(joined.outputs(images, threads), expected) << images << " images, " << threads << " threads";
        EXPECT_EQ(usual.outputs(images, threads), expected) << images << " images, " << threads << " threads, chains where they are cheaper";
      }
    }
  }
}

void expect_same_bits_on_every_instruction_set(const kernels::Policy& policy) {
  const core::Isa best = core::isa();
  for (const core::Isa isa : core::available_isas()) {
    core::set_isa(isa);
    for (const Network& network : networks()) {
      SCOPED_TRACE(network.name + ", " + std::string(core::name_of(isa)));
      const std::int64_t images = isa == core::Isa::scalar ? 1 : 3;
      EXPECT_EQ(PlannedNetwork(network, images, Precision::float32, Chains::always, policy).outputs(images, 2),
                PlannedNetwork(network, images, Precision::float32, Chains::never, policy).outputs(images, 1));
    }
  }
  core::set_isa(best);
}

TEST(ConvChains, OnEveryInstructionSet) { expect_same_bits_on_every_instruction_set({}); }

TEST(ConvChains, InBfloat16) {
  const kernels::Policy policy = {.operands = kernels::Operands::bfloat16};
  expect_same_bits_on_every_instruction_set(policy);
  for (const Network& network : networks()) {
    SCOPED_TRACE(network.name);
    PlannedNetwork joined(network, 20, Precision::float32, Chains::always, policy);
    expect_one_chain_of_all(joined, network);
    const Values apart = PlannedNetwork(network, 20, Precision::float32, Chains::never, policy).outputs(20, 1);
    for (const int threads : {1, 3}) EXPECT_EQ(joined.outputs(20, threads), apart) << threads << " threads";
  }
}

TEST(ConvChains, HaveTheReferencesBits) {
  for (const Network& network : networks()) {
    SCOPED_TRACE(network.name);
    const Values expected = PlannedNetwork(network, 2, Precision::float64, Chains::never).outputs(2, 1);
    PlannedNetwork joined(network, 2, Precision::float64, Chains::always);
    for (const int threads : {1, 3}) EXPECT_EQ(joined.outputs(2, threads), expected);
    const Values rounded = PlannedNetwork(network, 2, Precision::float32, Chains::always).outputs(2, 1);
    double error = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) error = std::max(error, std::abs(expected[i] - rounded[i]));
    EXPECT_LT(error, 1e-4 * largest_of(expected));
  }
}

// A map inside must be larger than half of the L2 cache, and the 112x112x96 pixels of MobileNetV2's first block are anywhere.
TEST(ConvChains, WhereMapsLeaveTheCache) {
  const Network large = inverted({112, 112, 16}, 96, 24, 2, false), small = inverted({7, 7, 16}, 96, 16, 1, true);
  expect_one_chain_of_all(PlannedNetwork(large, 8, Precision::float32, Chains::where_cheaper), large);
  EXPECT_TRUE(PlannedNetwork(small, 8, Precision::float32, Chains::where_cheaper).implementations().empty());
}

TEST(ConvChains, TheMapBetweenIsReadOnceAndNotKept) {
  for (const bool kept : {false, true})
    for (const bool twice : {false, true}) {
      PlanRun run(Purpose::inference);
      Lowering& to = run.lowering();
      const Value input = run.bind("input", {9, 8, 16}, Extent::batch, random_values(2 * 9 * 8 * 16, 1));
      const Value kernel = run.bind("kernel", {3, 3, 16, 16}, Extent::fixed, random_values(9 * 256, 2));
      const kernels::Geometry g = *kernels::resolve(square(3), 9, 8, 16, 16);
      const Value middle = conv2d(to, input, kernel, {}, g), last = conv2d(to, middle, kernel, {}, g);
      if (kept) run.keep(middle);
      run.keep(last);
      if (twice) run.keep(conv2d(to, middle, kernel, {}, g));
      run.compile(2, Precision::float32, {}, {.chains = Chains::always});
      std::size_t chains = 0;
      for (int i = 0; i < run.plan().ops(); ++i) chains += run.plan().op(i).name() == "conv2d_chain" ? 1 : 0;
      EXPECT_EQ(chains, kept || twice ? 0U : 1U);
    }
}

// The analysis of shifts compares the operations of maps of several sizes, of which some are computed in chains.
TEST(ConvChains, EachConvolutionIsAnOperation) {
  for (const Network& network : networks()) {
    SCOPED_TRACE(network.name);
    const PlannedNetwork apart(network, 1, Precision::float32, Chains::never), joined(network, 1, Precision::float32, Chains::always);
    const std::vector<Operation> expected = operations_of(apart.plan()), found = operations_of(joined.plan());
    ASSERT_EQ(found.size(), expected.size());
    std::int64_t least = 1, most = 1;
    double flops = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].op, expected[i].op);
      EXPECT_EQ(found[i].implementation, expected[i].implementation);
      EXPECT_EQ(found[i].flops, expected[i].flops);
      EXPECT_EQ(found[i].period, expected[i].period);
      least = std::min(least, found[i].period), most = std::max(most, found[i].period);
      flops += found[i].flops;
    }
    for (int i = 0; i < joined.plan().ops(); ++i) {
      const Op& op = joined.plan().op(i);
      if (op.name() != "conv2d_chain") continue;
      EXPECT_EQ(op.flops(1), flops);
      EXPECT_EQ(op.period() == 0, least == 0);
      if (most == 1) {
        EXPECT_EQ(op.period(), least);
      }
    }
  }
}

}  // namespace
}  // namespace linn::detail::plan
