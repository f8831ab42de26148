// BatchNormalization against what Keras computes: output, gradients, and moving statistics after some batches.
#include <gtest/gtest.h>

#include "layers/description.h"
#include "support/golden.h"
#include "support/plan_run.h"

namespace linn::detail::layers {
namespace {

using namespace tests;

const GoldenTensors& golden() {
  static const GoldenTensors tensors("norm.safetensors");
  return tensors;
}

void check_moving_statistics(const io::Json& test, const DescriptionPtr& layer, const Shape& image, const std::vector<Values>& weights,
                             const Level& level) {
  const auto name = test["name"].get<std::string>();
  PlanRun run(test["training"].get<bool>() ? plan::Purpose::training : plan::Purpose::inference);
  const plan::Value input = run.bind("input", image, plan::Extent::batch, golden().values(name + "/input"));
  std::vector<plan::Value> variables;
  const std::vector<VariableSpec> specs = layer->declare_variables({&image, 1});
  for (std::size_t i = 0; i < specs.size(); ++i)
    variables.push_back(run.bind(specs[i].name, specs[i].shape, plan::Extent::fixed, weights[i]));
  run.lowering().set_layer(name, layer->trainable());
  run.keep(layer->lower_call(run.lowering(), {&input, 1}, variables).front());
  run.lowering().append_updates();
  const std::int64_t images = golden()[name + "/input"].shape()[0];
  run.build(images, level.precision);
  run.run(images);
  for (int step = 1; step < test["steps"].get<int>(); ++step) {
    run.set(input, golden().values(name + "/input_" + std::to_string(step)));
    run.run(images);
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const Values wanted = specs[i].trainable ? weights[i] : golden().values(name + "/after/" + specs[i].name);
    EXPECT_TRUE(agrees("after/" + specs[i].name, specs[i].shape, run.get(variables[i]), wanted, level.tolerance));
  }
}

void check_case(const io::Json& test, const Level& level) {
  const auto name = test["name"].get<std::string>();
  SCOPED_TRACE(name + " in " + level.name);
  const DescriptionPtr layer = layer_from_config("BatchNormalization", test["config"], name);
  const Tensor& input = golden()[name + "/input"];
  const Shape image = input.shape().without_first();
  EXPECT_EQ(layer->infer_shapes({&image, 1}, name).front(), image);
  const std::vector<VariableSpec> specs = layer->declare_variables({&image, 1});
  std::vector<Values> weights;
  for (const VariableSpec& spec : specs) weights.push_back(golden().values(name + "/" + spec.name));

  const bool training = test["training"].get<bool>();
  LayerRun run(layer, image, input.shape()[0], values_of(input), weights, training ? golden().values(name + "/upstream") : Values{},
               level.precision);
  run.run();
  EXPECT_TRUE(agrees("output", input.shape(), run.output(), golden().values(name + "/output"), level.tolerance));
  if (training) {
    // One number a channel passes no gradient: what float32 leaves is the rounding of the two terms that cancel.
    if (name == "one_number_a_channel" && level.precision == Precision::float32) {
      const Values upstream = golden().values(name + "/upstream"), gradient = run.input_gradient();
      for (std::size_t c = 0; c < gradient.size(); ++c)
        EXPECT_NEAR(gradient[c], 0, 0x1p-23 * std::abs(upstream[c] * weights[0][c]) / std::sqrt(1e-3)) << c;
    } else {
      EXPECT_TRUE(agrees("grad/input", input.shape(), run.input_gradient(), golden().values(name + "/grad/input"), level.tolerance));
    }
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const std::string key = name + "/grad/" + specs[i].name;
      if (golden().has(key)) {
        EXPECT_TRUE(agrees("grad/" + specs[i].name, specs[i].shape, run.weight_gradient(i), golden().values(key), level.tolerance));
      }
    }
  }
  check_moving_statistics(test, layer, image, weights, level);
}

TEST(NormGolden, AsKeras) {
  const io::Json index = golden_json("norm.json");
  EXPECT_EQ(index["cases"].size(), 12U);
  for (const io::Json& test : index["cases"])
    for (const Level& level : levels) check_case(test, level);
}

}  // namespace
}  // namespace linn::detail::layers
