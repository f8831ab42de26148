// Configurations that tf.keras 2 wrote: the same variables, and the same outputs for the same weights. Those of Keras 3 are
// golden_graph_test.cc's.
#include <gtest/gtest.h>

#include <cstring>

#include "linn/linn.h"
#include "support/formula.h"
#include "support/golden.h"

namespace linn {
namespace {

using tests::GoldenTensors;

Shape shape_of(const detail::io::Json& sizes) { return Shape(sizes.get<std::vector<std::int64_t>>()); }

std::vector<Tensor> inputs_of(const detail::io::Json& test) {
  std::vector<Tensor> inputs;
  for (const detail::io::Json& shape : test["inputs"])
    inputs.push_back(tests::formula_values(shape_of(shape).with_first(3), 10'000 + 100 * static_cast<std::uint32_t>(inputs.size()), -1, 1));
  return inputs;
}

void expect_variables(const Model& model, const detail::io::Json& test) {
  EXPECT_EQ(model.count_params(), test["parameters"].get<std::int64_t>());
  const auto weights = model.named_weights();
  ASSERT_EQ(weights.size(), test["weights"].size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_TRUE(weights[i].first.ends_with("/" + test["weights"][i][0].get<std::string>())) << weights[i].first;
    EXPECT_EQ(weights[i].second.shape(), shape_of(test["weights"][i][1])) << weights[i].first;
  }
}

TEST(GoldenConfigs, OfKeras2AreRead) {
  const detail::io::Json json = tests::golden_json("keras2.json");
  const GoldenTensors golden("keras2.safetensors");
  EXPECT_GE(json["cases"].size(), 7U);
  for (const detail::io::Json& test : json["cases"]) {
    const auto name = test["name"].get<std::string>();
    SCOPED_TRACE(name);
    Model model = Model::from_json(test["model"].dump());
    expect_variables(model, test);
    tests::set_formula_weights(model);
    const std::vector<Tensor> inputs = inputs_of(test), outputs = model.predict_all(inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const Tensor& want = golden[name + "/output_" + std::to_string(i)];
      EXPECT_TRUE(tests::agrees("output", want.shape(), tests::values_of(outputs[i]), tests::values_of(want), {0, 1e-5}));
    }
    Model again = Model::from_json(model.to_json());
    EXPECT_EQ(again.to_json(), model.to_json());
    again.set_weights(model.get_weights());
    const std::vector<Tensor> same = again.predict_all(inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) EXPECT_EQ(std::memcmp(same[i].raw(), outputs[i].raw(), same[i].bytes()), 0);
  }
}

// Calls with training = false stay calls of inference while the model is trained: so tf.keras 2 and Keras's guide to fine-tuning.
TEST(GoldenConfigs, CallsOfInferenceAreTrainedAsInKeras2) {
  const detail::io::Json json = tests::golden_json("keras2.json");
  const GoldenTensors golden("keras2.safetensors");
  int trained = 0;
  for (const detail::io::Json& test : json["cases"]) {
    if (test["name"] != "fine_tuning") continue;
    Model model = Model::from_json(test["model"].dump());
    tests::set_formula_weights(model);
    model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = "mse"});
    const Tensor y = tests::formula_values({3, 2}, 20'000, -1, 1);
    for (int step = 0; step < 3; ++step) model.train_on_batch(inputs_of(test), y);
    const std::vector<Tensor> weights = model.get_weights();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const Tensor& want = golden["fine_tuning/after/" + std::to_string(i)];
      EXPECT_TRUE(tests::agrees(test["weights"][i][0], want.shape(), tests::values_of(weights[i]), tests::values_of(want), {0, 1e-5})) << i;
    }
    ++trained;
  }
  EXPECT_EQ(trained, 1);
}

TEST(GoldenConfigs, HardSigmoidOfKeras2IsAnotherFunction) {
  const std::string layers =
      R"([{"class_name": "Dense", "config": {"name": "d", "units": 2, "activation": "hard_sigmoid", "batch_input_shape": [null, 3]}}])";
  const auto config = [&](const std::string& rest) {
    return R"({"class_name": "Sequential", "config": {"name": "s", "layers": )" + layers + "}" + rest + "}";
  };
  EXPECT_NO_THROW(Model::from_json(config("")));
  EXPECT_NO_THROW(Model::from_json(config(R"(, "keras_version": "3.15.1")")));
  EXPECT_THROW(Model::from_json(config(R"(, "keras_version": "2.15.0")")), FormatError);
}

}  // namespace
}  // namespace linn
