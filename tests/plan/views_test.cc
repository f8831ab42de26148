// Values that lie in one another's memory: the same numbers as with copies, and no copy where the kernels take pitches.
#include "plan/views.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "core/worker_pool.h"
#include "linn/layers.h"
#include "plan/ops/section.h"
#include "support/plan_run.h"
#include "support/shared_layer.h"

namespace linn::detail::plan {
namespace {

using tests::PlanRun;
using tests::random_values;
using tests::Shared;
using tests::Values;

constexpr std::int64_t images = 11;
const Shape image = {8, 8, 5};

// A network in a plan. Layers are called by `apply`, each with variables of its own.
struct Net {
  explicit Net(Purpose purpose) : run(purpose), input(run.bind("input", image, Extent::batch, random_values(images * image.elements(), 1))) {}

  Value apply(const Layer& layer, const std::vector<Value>& inputs) {
    std::vector<Shape> shapes;
    for (const Value& value : inputs) shapes.push_back(value.shape);
    const Shared made(run, layer, std::span<const Shape>(shapes), seed += 10);
    for (std::size_t i = 0; i < made.values().size(); ++i)
      if (made.trainable(i)) variables.push_back(made.values()[i]);
    return made(inputs);
  }
  Value apply(const Layer& layer, Value value) { return apply(layer, std::vector<Value>{std::move(value)}); }

  PlanRun run;
  Value input;
  std::uint32_t seed = 3;
  std::vector<Value> variables;
};

using Build = std::function<Value(Net&)>;

Value conv(Net& net, Value x, std::int64_t filters, std::int64_t window, const char* activation = "linear") {
  return net.apply(Conv2D(filters, window, {.padding = "same", .activation = activation}), std::move(x));
}
Value norm_relu_conv(Net& net, Value x, std::int64_t filters) {
  return conv(net, net.apply(Activation("relu"), net.apply(BatchNormalization(), std::move(x))), filters, 3);
}

Value inception(Net& net) {
  const Value x = conv(net, net.input, 12, 3, "relu");
  const Value a = conv(net, x, 7, 1, "relu"), b = conv(net, x, 18, 3, "relu"), c = net.apply(MaxPooling2D(3, {.strides = 1, .padding = "same"}), x);
  return conv(net, net.apply(Concatenate(), {a, b, c}), 4, 3);
}

Value dense_block(Net& net) {
  Value x = conv(net, net.input, 16, 3);
  for (int i = 0; i < 3; ++i) x = net.apply(Concatenate(), {x, norm_relu_conv(net, x, 12)});
  return conv(net, net.apply(Activation("relu"), net.apply(BatchNormalization(), x)), 4, 1);
}

Value encoder_decoder(Net& net) {
  const Value wide = conv(net, net.input, 8, 3, "relu");
  const Value small = conv(net, net.apply(MaxPooling2D(2), wide), 12, 3, "relu");
  const Value back = net.apply(Conv2DTranspose(8, 2, {.strides = 2, .use_bias = false}), small);
  return conv(net, net.apply(Concatenate(), {back, wide}), 3, 3);
}

Value cropped(Net& net) {
  const Value x = conv(net, net.input, 20, 3);
  const Value a = net.apply(Cropping2D({{1, 2}, {0, 1}}), x), b = net.apply(Cropping2D({{2, 1}, {1, 0}}), x);
  return net.apply(Add(), {conv(net, a, 4, 3), conv(net, b, 4, 3)});
}

Value twice_the_same(Net& net) {
  const Value x = conv(net, net.input, 6, 3, "relu");
  return conv(net, net.apply(Concatenate(), {x, x}), 4, 3);
}

Value along_rows(Net& net) {
  const Value a = conv(net, net.input, 6, 3, "relu"), b = conv(net, net.input, 6, 1, "relu");
  const Value high = net.apply(Concatenate({.axis = 1}), {a, b}), wide = net.apply(Concatenate({.axis = 2}), {high, high});
  return conv(net, net.apply(Cropping2D({{3, 0}, {0, 3}}), wide), 4, 3);
}

// What a value is read as elsewhere: features, and the map itself.
Value also_flattened(Net& net) {
  const Value x = conv(net, net.input, 6, 3, "relu"), y = conv(net, net.input, 3, 3, "relu");
  const Value joined = conv(net, net.apply(Concatenate(), {x, y}), 4, 3);
  return net.apply(Concatenate(), {net.apply(Dense(3), net.apply(Flatten(), x)), net.apply(Dense(2), net.apply(Flatten(), joined))});
}

struct Case {
  const char* name;
  Build build;
  int copies_in_inference;  // concatenations, crops and slices that still copy
  int copies_in_training;
};

const Case cases[] = {
    {"inception", inception, 0, 3},
    {"dense_block", dense_block, 0, 3},
    {"encoder_decoder", encoder_decoder, 0, 2},
    {"cropped", cropped, 0, 0},
    {"twice_the_same", twice_the_same, 1, 3},
    {"along_rows", along_rows, 1, 6},
    {"also_flattened", also_flattened, 2, 6},
};

struct Result {
  std::vector<Values> values;
  int copies = 0;
};

Result run_case(const Case& c, Purpose purpose, Precision precision, const Passes& passes) {
  Net net(purpose);
  const Value output = c.build(net);
  std::vector<Value> wanted;
  if (purpose == Purpose::inference) {
    net.run.keep(output);
    net.run.compile(images, precision, {}, passes);
    wanted = {output};
  } else {
    const Value dot = net.run.dot(output, net.run.bind("upstream", output.shape, Extent::batch, random_values(images * output.shape.elements(), 2)));
    net.variables.push_back(net.input);
    wanted = net.run.compile(images, precision, {.variables = net.variables, .update = {}}, passes);
    wanted.push_back(dot);
  }
  net.run.run(images);
  Result result;
  for (const Value& value : wanted) result.values.push_back(value.defined() ? net.run.get(value) : Values{});
  for (int i = 0; i < net.run.plan().ops(); ++i) {
    const Op& op = net.run.plan().op(i);
    result.copies += !op.sections().empty() && !op.is_view();
  }
  return result;
}

class Views : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Networks, Views, ::testing::ValuesIn(cases), [](const auto& info) { return info.param.name; });

TEST_P(Views, GiveTheNumbersOfCopies) {
  for (const Purpose purpose : {Purpose::inference, Purpose::training})
    for (const Precision precision : {Precision::float64, Precision::float32}) {
      Passes copies;
      copies.views = false;
      const Result expected = run_case(GetParam(), purpose, precision, copies), got = run_case(GetParam(), purpose, precision, {});
      ASSERT_EQ(got.values.size(), expected.values.size());
      for (std::size_t v = 0; v < got.values.size(); ++v) {
        ASSERT_EQ(got.values[v].size(), expected.values[v].size());
        double largest = 0;
        for (const double value : expected.values[v]) largest = std::max(largest, std::abs(value));
        // In float64 the references compute, in the same order; in float32 another form of a kernel may.
        const double bound = precision == Precision::float64 ? 0 : 1e-5 * (1 + largest);
        for (std::size_t i = 0; i < got.values[v].size(); ++i)
          ASSERT_NEAR(got.values[v][i], expected.values[v][i], bound) << "value " << v << ", element " << i << (purpose == Purpose::training ? " in training" : "");
      }
    }
}

TEST_P(Views, CopyOnlyWhereAKernelKnowsNoGaps) {
  EXPECT_EQ(run_case(GetParam(), Purpose::inference, Precision::float32, {}).copies, GetParam().copies_in_inference);
  EXPECT_EQ(run_case(GetParam(), Purpose::training, Precision::float32, {}).copies, GetParam().copies_in_training);
}

TEST_P(Views, GiveTheSameBitsOnAnyNumberOfThreads) {
  std::optional<Result> first;
  for (const int threads : {1, 2, 3, 8}) {
    core::set_threads(threads);
    const Result got = run_case(GetParam(), Purpose::training, Precision::float32, {});
    if (!first) first = got;
    EXPECT_TRUE(got.values == first->values) << threads << " threads";
  }
  core::set_threads(2);
}

}  // namespace
}  // namespace linn::detail::plan
