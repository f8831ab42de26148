// What models were compiled with, as Keras writes it: what linn has is used, all else leaves the compile information out, not the layers.
#include <gmock/gmock.h>

#include "formats/model_json.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "optim/optimizers.h"
#include "support/golden.h"

namespace linn::detail::formats {
namespace {

using ::testing::HasSubstr;

ModelConfig read(const std::string& name) {
  const io::Json index = tests::golden_json("optim.json");
  for (const io::Json& test : index["compile"])
    if (test["name"] == name) return model_from_json(test["model"], name, 0);
  throw ValueError("no such case: " + name);
}

std::vector<std::string> names_of(const std::vector<Metric>& metrics) {
  std::vector<std::string> names;
  for (const Metric& metric : metrics) names.push_back(metric.name);
  return names;
}

TEST(CompileConfig, NamesAndFunctions) {
  const CompileConfig names = *read("names").compile, functions = *read("function").compile;
  EXPECT_EQ(names.optimizer.class_name(), "Adam");
  EXPECT_EQ(names.losses[0].class_name(), "MeanSquaredError");
  EXPECT_THAT(names_of(names.metrics[0]), ::testing::ElementsAre("mae"));
  EXPECT_EQ(functions.optimizer.class_name(), "RMSprop");
  EXPECT_EQ(functions.losses[0].class_name(), "MeanSquaredError");
  EXPECT_THAT(names_of(functions.metrics[0]), ::testing::ElementsAre("mean_absolute_error"));
}

TEST(CompileConfig, ObjectsWithOptions) {
  const CompileConfig objects = *read("objects").compile;
  const io::Json optimizer = optim::to_json(objects.optimizer);
  EXPECT_EQ(optimizer["class_name"], "AdamW");
  EXPECT_EQ(optimizer["config"]["weight_decay"], 0.1);
  EXPECT_EQ(optimizer["config"]["clipnorm"], 1.0);
  EXPECT_EQ(objects.losses[0].class_name(), "Huber");
  EXPECT_EQ(names_of(objects.metrics[0])[0], "own");
  EXPECT_EQ(names_of(objects.metrics[0])[1], "p");
  EXPECT_EQ(optim::to_json(objects.metrics[0][1])["config"]["thresholds"], 0.4);
  const CompileConfig adagrad = *read("adagrad").compile;
  EXPECT_EQ(optim::to_json(adagrad.optimizer)["config"]["global_clipnorm"], 2.0);
  EXPECT_EQ(optim::to_json(adagrad.losses[0])["config"]["from_logits"], true);
}

TEST(CompileConfig, LossWeights) {
  const ModelConfig model = read("loss_weights");
  EXPECT_EQ(model.compile->loss_weights, std::vector<double>{2});
  EXPECT_EQ(model_to_json(model.graph, &*model.compile)["compile_config"]["loss_weights"], io::Json::array({2.0}));
}

// One line names what is not understood; the layers are there.
TEST(CompileConfig, WhatIsNotUnderstoodLeavesItOut) {
  const std::pair<const char*, const char*> cases[] = {
      {"weighted_metrics", "weighted_metrics"},
      {"steps_per_execution", "steps_per_execution"}};
  for (const auto& [name, what] : cases) {
    ::testing::internal::CaptureStderr();
    const ModelConfig model = read(name);
    const std::string line = ::testing::internal::GetCapturedStderr();
    EXPECT_FALSE(model.compile.has_value()) << name;
    EXPECT_TRUE(model.graph.built()) << name;
    EXPECT_THAT(line, HasSubstr(what));
    EXPECT_THAT(line, HasSubstr("call compile"));
    EXPECT_EQ(std::ranges::count(line, '\n'), 1) << line;
  }
}

TEST(CompileConfig, LossesAndMetricsOfTheBatch) {
  EXPECT_EQ(read("dice").compile->losses[0].class_name(), "Dice");
  EXPECT_EQ(read("auc").compile->metrics[0][0].class_name(), "AUC");
  EXPECT_EQ(optim::to_json(read("sum").compile->losses[0])["config"]["reduction"], "sum");
}

TEST(CompileConfig, RoundTrip) {
  for (const char* name : {"names", "objects", "adagrad", "ema", "accumulation", "schedule", "nadam", "dice", "auc", "sum"}) {
    const ModelConfig model = read(name);
    const io::Json json = model_to_json(model.graph, &*model.compile);
    const ModelConfig again = model_from_json(json, name, 0);
    ASSERT_TRUE(again.compile.has_value()) << name;
    EXPECT_EQ(model_to_json(again.graph, &*again.compile), json);
  }
}

}  // namespace
}  // namespace linn::detail::formats
