// Poolings and paddings that Keras lacks against PyTorch in double (make_pooling_golden.py), forward and backward, in both precisions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "layers/description.h"
#include "layers/registry.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "support/golden.h"
#include "support/layer_call.h"
#include "support/message_of.h"

namespace linn::detail::layers {
namespace {

using namespace tests;
using ::testing::HasSubstr;

const GoldenTensors& pooling_golden() {
  static const GoldenTensors tensors("pooling.safetensors");
  return tensors;
}

// Results are kept as float32.
constexpr Tolerance pooling_tolerance = {0, 3e-6};

void check_pooling(const io::Json& test, plan::Precision precision) {
  const auto name = test["name"].get<std::string>();
  SCOPED_TRACE(name + " " + test["config"].dump());
  const DescriptionPtr layer = layer_from_config(test["class_name"].get<std::string>(), test["config"], name);
  const std::vector<std::int64_t> sizes = test["image"];
  const Shape image{std::span<const std::int64_t>(sizes)};
  const auto of = [&](const std::string& key) { return pooling_golden().values(name + "/" + key); };
  const std::vector<LayerInput> inputs = {{image, of("x")}};
  const std::vector<VariableSpec> specs = layer->declare_variables({&image, 1});
  std::vector<Values> weights;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    EXPECT_EQ(pooling_golden()[name + "/w" + std::to_string(i)].shape(), specs[i].shape);
    weights.push_back(of("w" + std::to_string(i)));
  }
  const Shape output = pooling_golden()[name + "/y"].shape();
  // A stochastic pooling has its expected value in inference alone.
  const bool gradient = test["class_name"] != "StochasticPooling2D";
  LayerCall call(layer, output[0], inputs, weights, gradient ? of("up") : Values{}, precision);
  call.run();
  EXPECT_EQ(call.output_shape(), output.without_first());
  EXPECT_TRUE(agrees("y", output, call.output(), of("y"), pooling_tolerance));
  if (!gradient) return;
  EXPECT_TRUE(agrees("dx", pooling_golden()[name + "/x"].shape(), call.input_gradient(0), of("dx"), pooling_tolerance));
  for (std::size_t i = 0; i < specs.size(); ++i)
    EXPECT_TRUE(agrees("d" + specs[i].name, specs[i].shape, call.weight_gradient(i), of("dw" + std::to_string(i)), pooling_tolerance));
}

TEST(PoolingGolden, AsPyTorch) {
  const io::Json index = golden_json("pooling.json");
  EXPECT_GE(index["cases"].size(), 60U);
  std::set<std::string> seen;
  for (const io::Json& test : index["cases"]) {
    for (const plan::Precision precision : {plan::Precision::float32, plan::Precision::float64}) check_pooling(test, precision);
    seen.insert(test["class_name"].get<std::string>());
  }
  for (const char* name : {"LpPooling2D", "GlobalLpPooling2D", "GeneralizedMeanPooling2D", "GlobalGeneralizedMeanPooling2D", "SoftPooling2D",
                           "StochasticPooling2D", "MixedPooling2D", "GatedPooling2D"})
    EXPECT_TRUE(seen.contains(name)) << name;
}

// In training one cell of each window, another in another step; its gradient goes to that cell.
TEST(StochasticPooling, DrawsACellOfEachWindowWhileTraining) {
  const DescriptionPtr layer = layer_from_config("StochasticPooling2D", io::Json::object(), "test");
  Values cells, up(3 * 2 * 2 * 5, 1.0);
  for (std::size_t i = 0; i < 3 * 4 * 4 * 5; ++i) cells.push_back(1 + static_cast<double>(i));
  LayerCall call(layer, 3, {{Shape{4, 4, 5}, cells}}, {}, up, plan::Precision::float32);
  std::set<Values> drawn;
  for (std::int64_t step = 0; step < 4; ++step) {
    call.run({.seed = 3, .step = step, .learning_rate = 0});
    const Values output = call.output(), gradient = call.input_gradient(0);
    drawn.insert(output);
    std::size_t ones = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      if (gradient[i] == 0) continue;
      ++ones;
      EXPECT_EQ(gradient[i], 1);
      EXPECT_NE(std::find(output.begin(), output.end(), cells[i]), output.end()) << "the drawn cell is the value";
    }
    EXPECT_EQ(ones, output.size());
  }
  EXPECT_EQ(drawn.size(), 4U);
}

TEST(GeneralPoolingMessages, SayWhatIsAllowed) {
  EXPECT_THAT(message_of<ValueError>([] { LpPooling2D({2, 2}, {.p = 0.5, .name = "l"}); }), HasSubstr("[lp_pooling2d 'l'] p is 0.5; it must be 1 or more"));
  EXPECT_THAT(message_of<ValueError>([] { GeneralizedMeanPooling2D(2, {.p = 0}); }), HasSubstr("p is 0; any other number is allowed"));
  EXPECT_THAT(message_of<ValueError>([] { GlobalGeneralizedMeanPooling2D({.epsilon = 0}); }), HasSubstr("epsilon is 0"));
  EXPECT_THAT(message_of<ValueError>([] { MixedPooling2D(2, {.alpha = 1.5}); }), HasSubstr("alpha is 1.5"));
  EXPECT_THAT(message_of<ValueError>([] { MixedPooling2D(2, {.per_channel = true}); }), HasSubstr("learned is false"));
  EXPECT_THAT(message_of<ValueError>([] { SoftPooling2D(2, {.padding = "full"}); }), HasSubstr("padding is \"full\""));
  EXPECT_THAT(message_of<ValueError>([] { MaxPooling2D(2, {.padding = "same", .ceil_mode = true}); }), HasSubstr("ceil_mode is true with padding \"same\""));
}

TEST(PaddingWithBorder, IsReadWrittenAndChecked) {
  const Padding padding(Pads2({1, 2}, {0, 3}), "reflect");
  const DescriptionPtr layer = layer_from_config("Conv2D",
                                                 {{"filters", 2}, {"kernel_size", 3}, {"padding", {{"pads", {{1, 2}, {0, 3}}}, {"border", "reflect"}}}}, "test");
  EXPECT_EQ(detail::description_of(Conv2D(2, 3, {.padding = padding}))->config("c"), layer->config("c"));
  EXPECT_EQ(layer->config("c")["padding"], (io::Json{{"pads", {{1, 2}, {0, 3}}}, {"border", "reflect"}}));
  EXPECT_EQ(Conv2D(2, 3, {.padding = padding}).compute_output_shape({5, 6, 1}), Shape({6, 7, 2}));
  EXPECT_THAT(message_of<ShapeError>([&] { Conv2D(2, 3, {.padding = padding}).compute_output_shape({5, 3, 1}); }),
              HasSubstr("padding \"reflect\" puts ((1, 2), (0, 3)) around input (5, 3)"));
  EXPECT_THAT(message_of<FormatError>([] {
                layer_from_config("Conv2D", {{"filters", 2}, {"kernel_size", 3}, {"padding", {{"pads", 1}}}}, "test");
              }),
              HasSubstr("an object needs \"pads\" and \"border\" alone"));
  EXPECT_THAT(message_of<FormatError>([] {
                layer_from_config("Conv2D", {{"filters", 2}, {"kernel_size", 3}, {"padding", {{"pads", 1}, {"border", "wrap"}}}}, "test");
              }),
              HasSubstr("border is \"wrap\""));
}

}  // namespace
}  // namespace linn::detail::layers
