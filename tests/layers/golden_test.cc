// Every layer against what Keras computes, forward and backward, in both precisions.
#include <gtest/gtest.h>

#include "layers/description.h"
#include "support/golden.h"
#include "support/plan_run.h"

namespace linn::layers {
namespace {

using namespace tests;

Shape image_of(const Shape& batch) { return batch.without_first(); }

// Keras rounds scale and offset to float32 even in float64, which shows where the two cancel.
Tolerance tolerance_of(const io::Json& test, const Level& level) {
  return test["class_name"] == "Rescaling" ? Tolerance{1e-6, 1e-6} : level.tolerance;
}

void check_case(const io::Json& test, const GoldenTensors& golden, const Level& level) {
  const Tolerance tolerance = tolerance_of(test, level);
  const auto name = test["name"].get<std::string>();
  SCOPED_TRACE(name + " in " + level.name);
  const DescriptionPtr layer = layer_from_config(test["class_name"].get<std::string>(), test["config"], name);
  const Tensor& input = golden[name + "/input"];
  const Shape image = image_of(input.shape());
  const Tensor& output = golden[name + "/output"];
  EXPECT_EQ(layer->infer_shapes({&image, 1}, name).front(), image_of(output.shape()));

  std::vector<Values> weights;
  const std::vector<VariableSpec> specs = layer->declare_variables({&image, 1});
  for (const VariableSpec& spec : specs) {
    EXPECT_EQ(golden[name + "/" + spec.name].shape(), spec.shape);
    weights.push_back(golden.values(name + "/" + spec.name));
  }
  const bool gradient = test["gradient"].get<bool>();
  LayerRun run(layer, image, input.shape()[0], values_of(input), weights, gradient ? golden.values(name + "/upstream") : Values{}, level.precision);
  run.run();
  EXPECT_EQ(run.output_shape(), image_of(output.shape()));
  EXPECT_TRUE(agrees("output", output.shape(), run.output(), values_of(output), tolerance));
  if (!gradient) return;
  EXPECT_TRUE(agrees("grad/input", input.shape(), run.input_gradient(), golden.values(name + "/grad/input"), tolerance));
  for (std::size_t i = 0; i < specs.size(); ++i)
    EXPECT_TRUE(agrees("grad/" + specs[i].name, specs[i].shape, run.weight_gradient(i), golden.values(name + "/grad/" + specs[i].name), tolerance));
}

void check_cases(const std::string& file, std::size_t count) {
  const GoldenTensors golden(file + ".safetensors");
  const io::Json index = golden_json(file + ".json");
  EXPECT_EQ(index["cases"].size(), count);
  for (const io::Json& test : index["cases"])
    for (const Level& level : levels) check_case(test, golden, level);
}

TEST(LayerGolden, AsKeras) { check_cases("layers", 149); }
TEST(LayerGolden, ConvolutionsOfEveryKindAsKeras) { check_cases("convolutions", 74); }

}  // namespace
}  // namespace linn::layers
