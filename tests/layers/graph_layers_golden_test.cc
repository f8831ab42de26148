// Layers of one input and of several against what Keras computes, forward and backward, in both precisions.
#include <gtest/gtest.h>

#include <set>

#include "layers/description.h"
#include "support/golden.h"
#include "support/layer_call.h"

namespace linn::detail::layers {
namespace {

using namespace tests;

// What TensorFlow computes in float32 whatever it is given has float32's roundings in both precisions.
Tolerance tolerance_of(const io::Json& test, const Level& level) {
  return test.value("single", false) ? Tolerance{0, 1e-5} : level.tolerance;
}

void check_case(const GoldenTensors& golden, const io::Json& test, const Level& level) {
  const Tolerance tolerance = tolerance_of(test, level);
  const auto name = test["name"].get<std::string>();
  SCOPED_TRACE(name + " in " + level.name);
  const DescriptionPtr layer = layer_from_config(test["class_name"].get<std::string>(), test["config"], name);
  std::vector<LayerInput> inputs;
  std::vector<Shape> shapes;
  std::int64_t images = 0;
  for (std::size_t i = 0; i < test["input_shapes"].size(); ++i) {
    const Tensor& input = golden[name + "/input_" + std::to_string(i)];
    images = input.shape()[0];
    shapes.push_back(input.shape().without_first());
    inputs.push_back({shapes.back(), values_of(input)});
  }
  const Tensor& output = golden[name + "/output"];
  EXPECT_EQ(layer->infer_shapes(shapes, name).front(), output.shape().without_first());
  std::vector<Values> weights;
  for (const VariableSpec& spec : layer->declare_variables(shapes)) {
    ASSERT_TRUE(golden.has(name + "/" + spec.name)) << spec.name;
    EXPECT_EQ(golden[name + "/" + spec.name].shape(), spec.shape) << spec.name;
    weights.push_back(golden.values(name + "/" + spec.name));
  }

  const bool gradient = test["gradient"].get<bool>();
  LayerCall call(layer, images, inputs, weights, gradient ? golden.values(name + "/upstream") : Values{}, level.precision);
  call.run();
  EXPECT_EQ(call.output_shape(), output.shape().without_first());
  EXPECT_TRUE(agrees("output", output.shape(), call.output(), values_of(output), tolerance));
  if (!gradient) return;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string key = "/grad/input_" + std::to_string(i);
    EXPECT_TRUE(agrees(key, golden[name + key].shape(), call.input_gradient(i), golden.values(name + key), tolerance));
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const VariableSpec& spec = call.specs()[i];
    if (!spec.trainable) continue;
    EXPECT_TRUE(agrees("grad/" + spec.name, spec.shape, call.weight_gradient(i), golden.values(name + "/grad/" + spec.name), tolerance));
  }
}

void check_file(const std::string& name, std::size_t least) {
  const GoldenTensors golden((name + ".safetensors").c_str());
  const io::Json index = golden_json((name + ".json").c_str());
  EXPECT_GE(index["cases"].size(), least);
  for (const io::Json& test : index["cases"])
    for (const Level& level : levels) check_case(golden, test, level);
}

TEST(GraphLayersGolden, AsKeras) { check_file("graph_layers", 100); }
TEST(GraphLayersGolden, OverStepsAsKeras) { check_file("steps", 100); }
TEST(GraphLayersGolden, CoreAsKeras) { check_file("core_layers", 80); }

}  // namespace
}  // namespace linn::detail::layers
