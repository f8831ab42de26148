// What Keras writes into a configuration otherwise than one expects, and what it would read otherwise than linn means it.
#include <gmock/gmock.h>

#include <string>

#include "io/json.h"
#include "linn/layers.h"
#include "linn/losses.h"
#include "linn/model.h"
#include "linn/optimizers.h"

namespace linn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A network of one layer as Keras 3 writes it, called with these arguments.
std::string network(const std::string& class_name, const std::string& config, const std::string& kwargs) {
  return R"({"class_name": "Functional", "config": {"name": "net", "layers": [
    {"class_name": "InputLayer", "name": "in", "config": {"name": "in", "batch_shape": [null, 4, 4, 2]}, "inbound_nodes": []},
    {"class_name": ")" + class_name + R"(", "name": "tested", "config": )" + config + R"(, "inbound_nodes": [{"args": [
      {"class_name": "__keras_tensor__", "config": {"shape": [null, 4, 4, 2], "dtype": "float32", "keras_history": ["in", 0, 0]}}], "kwargs": )" + kwargs + R"(}]}],
    "input_layers": [["in", 0, 0]], "output_layers": [["tested", 0, 0]]}})";
}

// Keras writes the default of `training` for these layers, so it is no wish to leave them out of training.
TEST(KerasConfig, TrainingThatNobodyGaveIsNoArgument) {
  for (const char* layer : {"Dropout", "SpatialDropout2D"})
    EXPECT_THAT(Model::from_json(network(layer, R"({"name": "tested", "rate": 0.5})", R"({"training": false})")).to_json(), Not(HasSubstr("\"training\":false"))) << layer;
  EXPECT_THAT(Model::from_json(network("GaussianNoise", R"({"name": "tested", "stddev": 0.5})", R"({"training": false})")).to_json(), Not(HasSubstr("\"training\":false")));
  EXPECT_NO_THROW(Model::from_json(network("Resizing", R"({"name": "tested", "height": 2, "width": 2})", R"({"training": true})")));
}

TEST(KerasConfig, TrainingThatWasGivenStays) {
  EXPECT_THAT(Model::from_json(network("BatchNormalization", R"({"name": "tested"})", R"({"training": false})")).to_json(), HasSubstr("\"training\":false"));
  const auto in = Input({4, 4, 2});
  const Model model(in, Dropout(0.5)(in, {.training = false}));
  EXPECT_EQ(Model::from_json(model.to_json()).to_json(), model.to_json());
}

TEST(KerasConfig, ClassesMayBeNamedWithTheirPackage) {
  const Model model = Model::from_json(network("linn>BlurPooling2D", R"({"name": "tested", "filter_size": 3})", "{}"));
  EXPECT_EQ(model.output_shape(), (Shape{2, 2, 2}));
}

// Keras would leave the arguments out of a function of its own.
TEST(KerasConfig, FunctionsWithArgumentsAreLinns) {
  const auto in = Input({4});
  const std::string json = Model(in, Activation(activations::gelu({.approximate = true}))(in)).to_json();
  EXPECT_THAT(json, HasSubstr(R"("module":"linn.activations")"));
  EXPECT_THAT(json, HasSubstr(R"("registered_name":"linn>gelu")"));
  EXPECT_EQ(Model::from_json(json).to_json(), json);
  EXPECT_THAT(Model(in, Activation("gelu")(in)).to_json(), HasSubstr(R"("activation":"gelu")"));
}

std::string compiled(const CompileOptions& options) {
  const auto in = Input({4});
  Model model(in, Dense(3)(in));
  model.compile(options);
  const std::string json = model.to_json();
  EXPECT_EQ(Model::from_json(json).to_json(), json);
  return json;
}

TEST(KerasConfig, OneCycleNamesItsRegisteredClass) {
  const std::string json = compiled({.optimizer = optimizers::SGD{.learning_rate = optimizers::schedules::OneCycle{.total_steps = 30}}, .loss = "mse"});
  EXPECT_THAT(json, HasSubstr(R"("module":"linn.optimizers.schedules")"));
  EXPECT_THAT(json, HasSubstr(R"("registered_name":"linn>OneCycle")"));
}

TEST(KerasConfig, LabelSmoothingIsLeftOutWhereKerasRefusesIt) {
  EXPECT_THAT(compiled({.loss = losses::SparseCategoricalCrossentropy{.from_logits = true}}), Not(HasSubstr("label_smoothing")));
  EXPECT_THAT(compiled({.loss = losses::SparseCategoricalCrossentropy{.label_smoothing = 0.25}}), HasSubstr("\"label_smoothing\":0.25"));
}

// Keras takes losses as metrics too, and writes more of them.
TEST(KerasConfig, ALossMayBeAMetric) {
  detail::io::Json json = detail::io::parse_json(network("Dense", R"({"name": "tested", "units": 3})", "{}"), "test");
  json["compile_config"] = detail::io::parse_json(R"({"optimizer": "sgd", "loss": "mse", "metrics": [
    {"module": "keras.losses", "class_name": "MeanAbsoluteError", "config": {"name": "mean_absolute_error", "reduction": "sum_over_batch_size"}}]})", "test");
  EXPECT_TRUE(Model::from_json(json.dump()).compiled());
  json["compile_config"]["metrics"][0]["config"]["reduction"] = "sum";
  EXPECT_FALSE(Model::from_json(json.dump()).compiled());
}

}  // namespace
}  // namespace linn
