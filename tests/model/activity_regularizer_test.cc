// The option activity_regularizer: losses, gradients and steps of Keras, and which outputs take which regularizer.
#include <gmock/gmock.h>

#include <set>

#include "io/json.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/formula.h"
#include "support/message_of.h"
#include "support/network_steps.h"
#include "support/same_bits.h"

namespace linn {
namespace {

using ::testing::HasSubstr;

TEST(ActivityRegularizer, AsKeras) {
  const tests::NetworkSteps golden("activity_regularizer");
  EXPECT_GE(golden.cases().size(), 11U);
  for (const detail::io::Json& test : golden.cases()) golden.expect_as_keras(test);
}

// Every class of layers with the option has a case.
TEST(ActivityRegularizer, OfEveryLayerThatHasIt) {
  const tests::NetworkSteps golden("activity_regularizer");
  std::set<std::string> seen;
  for (const detail::io::Json& test : golden.cases())
    for (const detail::io::Json& layer : test["model"]["config"]["layers"]) {
      const detail::io::Json& config = layer["config"];
      if (config.contains("activity_regularizer") && !config["activity_regularizer"].is_null()) seen.insert(layer["class_name"]);
    }
  EXPECT_EQ(seen, (std::set<std::string>{"Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Dense", "DepthwiseConv1D",
                                         "DepthwiseConv2D", "EinsumDense", "SeparableConv1D", "SeparableConv2D"}));
}

TEST(ActivityRegularizer, IsWrittenAsKerasWritesIt) {
  const auto config = [](const Layer& layer) { return detail::io::parse_json(layer.config(), "config"); };
  EXPECT_EQ(config(Dense(2))["activity_regularizer"], nullptr);
  const detail::io::Json written =
      config(Conv2D(2, 3, {.activity_regularizer = regularizers::L1L2{.l1 = 0.5, .l2 = 0.25}}))["activity_regularizer"];
  EXPECT_EQ(written, (detail::io::Json{{"module", "keras.regularizers"},
                                       {"class_name", "L1L2"},
                                       {"config", {{"l1", 0.5}, {"l2", 0.25}}},
                                       {"registered_name", nullptr}}));
}

TEST(ActivityRegularizer, OfChannelsFirstIsThatOfTheSameNumbers) {
  const auto loss = [](const DataFormat& format, const Shape& image, const Tensor& x) {
    Sequential model({Conv2D(3, {2, 2}, {.data_format = format, .activation = "tanh", .activity_regularizer = "l2", .input_shape = image}),
                      GlobalMaxPooling2D({.data_format = format})});
    tests::set_formula_weights(model);
    model.compile({.loss = "mse"});
    return model.evaluate(x, Tensor({5, 3}), {.verbose = 0}).at("loss");
  };
  // One channel of one row, so that both orders of axes are the same numbers.
  const Tensor x = tests::formula_values({5, 4, 6, 1}, 7, -1, 1);
  EXPECT_NEAR(loss("channels_first", {1, 4, 6}, x.reshape({5, 1, 4, 6})), loss("channels_last", {4, 6, 1}, x), 1e-6);
}

TEST(ActivityRegularizer, OrthogonalIsForRowsAlone) {
  const Regularizer orthogonal = regularizers::OrthogonalRegularizer{};
  EXPECT_THAT(tests::message_of<ValueError>([&] {
                Sequential({Dense(3, {.activity_regularizer = orthogonal, .input_shape = {2, 4}})});
              }),
              HasSubstr("one image of this output has shape (2, 3)"));
  EXPECT_THAT(tests::message_of<ValueError>([&] {
                Sequential({Conv2D(3, {1, 1}, {.activity_regularizer = orthogonal, .input_shape = {2, 4, 1}})});
              }),
              HasSubstr("activity_regularizer is an OrthogonalRegularizer, which is for outputs of 2 axes"));
}

// A batch of one image has no pair of images: no penalty, and finite steps.
TEST(ActivityRegularizer, OrthogonalOfOneImageIsNothing) {
  Sequential model({Dense(3, {.activity_regularizer = regularizers::OrthogonalRegularizer{.factor = 2}, .input_shape = {4}})});
  Sequential plain({Dense(3, {.input_shape = {4}})});
  plain.set_weights(model.get_weights());
  const Tensor x = tests::formula_values({1, 4}, 1, -1, 1), y = tests::formula_values({1, 3}, 2, -1, 1);
  for (Sequential* each : {&model, &plain}) each->compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = "mse"});
  EXPECT_EQ(model.train_on_batch(x, y).at("loss"), plain.train_on_batch(x, y).at("loss"));
  EXPECT_TRUE(tests::same_bits(model.get_weights(), plain.get_weights()));
}

TEST(ActivityRegularizer, SameBitsOnAnyNumberOfThreads) {
  std::vector<Tensor> first;
  for (const int threads : {1, 2, 3, 8}) {
    set_threads(threads);
    Sequential model({Conv2D(4, {3, 3}, {.activation = "relu", .activity_regularizer = "l1", .input_shape = {6, 6, 2}}), Flatten(),
                      Dense(5, {.activity_regularizer = regularizers::OrthogonalRegularizer{.factor = 0.5}}), Dense(2)});
    tests::set_formula_weights(model);
    model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = "mse"});
    for (std::uint32_t step = 0; step < 3; ++step)
      model.train_on_batch(tests::formula_values({19, 6, 6, 2}, 10 + step, -1, 1), tests::formula_values({19, 2}, 20 + step, -1, 1));
    if (first.empty()) first = model.get_weights();
    EXPECT_TRUE(tests::same_bits(model.get_weights(), first)) << threads << " threads";
  }
  set_threads(2);
}

}  // namespace
}  // namespace linn
