// What `linn train` takes for the run: optimizer, schedule, loss, metrics, early stopping, and the file that repeats a run.
#include <algorithm>

#include "run_command.h"

namespace linn::cli {
namespace {

using detail::io::Json;
using testing::AllOf;
using testing::HasSubstr;

class TrainOptions : public Command {
 protected:
  std::vector<std::string> train(const std::vector<std::string>& more, const std::string& out = "model") {
    if (data_.empty()) data_ = small_data();
    std::vector<std::string> arguments = {"train", "--data", data_, "--batch-size", "16", "--out", path(out)};
    if (std::ranges::find(more, "--epochs") == more.end()) arguments.insert(arguments.end(), {"--epochs", "2"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Json run_file(const std::string& out = "model") const { return detail::io::parse_json(tests::text_of(path(out + "/run.json")), "run.json"); }
  std::string weights(const std::string& out) const { return tests::text_of(path(out + "/model.safetensors")); }

 private:
  std::string data_;
};

TEST_F(TrainOptions, EveryLossOfClassesTakesTheLabelsOfTheData) {
  for (const char* loss : {"sparse_categorical_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy", "categorical_generalized_cross_entropy", "circle",
                           "categorical_hinge", "kl_divergence", "mean_squared_error"}) {
    const Result result = run(train({"--loss", loss, "--epochs", "1"}));
    EXPECT_EQ(result.code, 0) << loss << ": " << result.err;
  }
}

// The rate of a schedule that warms up is the one that it rises to.
TEST_F(TrainOptions, ARunsScheduleTakesAnotherRateAndGivesItsOwn) {
  ASSERT_EQ(run(train({"--learning-rate", "0.02", "--schedule", "cosine:warmup_steps=3", "--epochs", "1"})).code, 0);
  const auto rate_of = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"train", "--run", path("model/run.json"), "--out", path("other")};
    words.insert(words.end(), more.begin(), more.end());
    const Result result = run(words);
    EXPECT_EQ(result.code, 0) << result.err;
    return run_file("other")["optimizer"]["config"]["learning_rate"]["config"];
  };
  const Json cosine = rate_of({"--learning-rate", "0.05"});
  EXPECT_EQ(cosine["initial_learning_rate"], 0.0);
  EXPECT_EQ(cosine["warmup_target"], 0.05);
  EXPECT_EQ(rate_of({"--schedule", "one_cycle"})["max_learning_rate"], 0.02);
}

TEST_F(TrainOptions, NamesAreCheckedBeforeDataAreRead) {
  EXPECT_THAT(run({"train", "--model", "lenet6", "--data", path("nothing.npz")}).err, AllOf(HasSubstr("lenet6"), HasSubstr("did you mean \"lenet5\"?")));
  EXPECT_THAT(run({"layers", "gem"}).err, HasSubstr("GeneralizedMeanPooling2D"));
  EXPECT_THAT(run({"layers", "MaxPool"}).err, HasSubstr("MaxPooling2D"));
  EXPECT_THAT(run(train({"--metrics", "accuracy,accuracy"})).err, HasSubstr("\"accuracy\" came twice"));
}

TEST_F(TrainOptions, OptimizerScheduleLossAndMetrics) {
  const Result result = run(train({"--optimizer", "adamw:weight_decay=0.05,beta_1=0.8", "--learning-rate", "0.02", "--schedule", "cosine:alpha=0.1", "--loss",
                                   "categorical_crossentropy:label_smoothing=0.1", "--metrics", "accuracy,top_k_categorical_accuracy:k=2,name=best_two"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("loss CategoricalCrossentropy"), HasSubstr("optimizer AdamW, learning rate "), HasSubstr("best_two: ")));
  const Json compiled = run_file();
  EXPECT_EQ(compiled["optimizer"]["class_name"], "AdamW");
  const Json& optimizer = compiled["optimizer"]["config"];
  EXPECT_EQ(optimizer["weight_decay"], 0.05);
  EXPECT_EQ(optimizer["beta_1"], 0.8);
  EXPECT_EQ(optimizer["learning_rate"]["class_name"], "CosineDecay");
  EXPECT_EQ(optimizer["learning_rate"]["config"]["initial_learning_rate"], 0.02);
  EXPECT_EQ(optimizer["learning_rate"]["config"]["alpha"], 0.1);
  EXPECT_EQ(compiled["loss"]["config"]["label_smoothing"], 0.1);
  // evaluate measures what the model was compiled with.
  const auto events = run({"evaluate", path("model"), "--data", path("data.npz"), "--log", "json"}).events();
  EXPECT_TRUE(events[0].contains("best_two")) << events[0].dump();
}

TEST_F(TrainOptions, AFileOfTheRunTakesTheTextsOfTheOptions) {
  write(path("texts.json"), R"({"optimizer": "adamw:weight_decay=0.05,beta_1=0.8", "loss": "categorical_crossentropy:label_smoothing=0.1",
                                "metrics": ["accuracy", "top_k_categorical_accuracy:k=2"], "epochs": 1})");
  const Result result = run(train({"--run", path("texts.json")}));
  ASSERT_EQ(result.code, 0) << result.err;
  const Json compiled = run_file();
  EXPECT_EQ(compiled["optimizer"]["class_name"], "AdamW");
  EXPECT_EQ(compiled["optimizer"]["config"]["weight_decay"], 0.05);
  EXPECT_EQ(compiled["optimizer"]["config"]["beta_1"], 0.8);
  EXPECT_EQ(compiled["loss"]["config"]["label_smoothing"], 0.1);
  EXPECT_EQ(compiled["metrics"].size(), 2U);
}

TEST_F(TrainOptions, AWarmUpRisesToTheRate) {
  ASSERT_EQ(run(train({"--learning-rate", "0.02", "--schedule", "cosine:warmup_steps=3"})).code, 0);
  const Json schedule = run_file()["optimizer"]["config"]["learning_rate"]["config"];
  EXPECT_EQ(schedule["initial_learning_rate"], 0.0);
  EXPECT_EQ(schedule["warmup_target"], 0.02);
}

TEST_F(TrainOptions, FromLogitsFollowsTheNetwork) {
  write(path("logits.json"), Sequential({Flatten({.input_shape = {12, 12, 1}}), Dense(4)}).to_json());
  ASSERT_EQ(run(train({"--model", path("logits.json"), "--loss", "sparse_categorical_crossentropy"})).code, 0);
  EXPECT_EQ(run_file()["loss"]["config"]["from_logits"], true);
  ASSERT_EQ(run(train({"--loss", "sparse_categorical_crossentropy"})).code, 0);
  EXPECT_EQ(run_file()["loss"]["config"]["from_logits"], false) << "the notebook's network ends in softmax";
}

TEST_F(TrainOptions, ARunRepeatsToTheSameBits) {
  ASSERT_EQ(run(train({"--optimizer", "sgd:momentum=0.9", "--schedule", "one_cycle", "--seed", "7", "--validation-split", "0.25", "--patience", "5"})).code, 0);
  ASSERT_EQ(run({"train", "--run", path("model/run.json"), "--threads", "1", "--out", path("again")}).code, 0);
  EXPECT_TRUE(weights("again") == weights("model"));
  EXPECT_EQ(run_file("again"), run_file());
  // Options change the run, wherever they stand.
  ASSERT_EQ(run({"train", "--seed", "8", "--run", path("model/run.json"), "--epochs", "1", "--learning-rate", "0.5", "--out", path("other")}).code, 0);
  const Json other = run_file("other");
  EXPECT_EQ(other["seed"], 8);
  EXPECT_EQ(other["epochs"], 1);
  EXPECT_EQ(other["patience"], 5);
  EXPECT_EQ(other["optimizer"]["config"]["learning_rate"]["config"]["max_learning_rate"], 0.5) << "the schedule stays";
  EXPECT_FALSE(weights("other") == weights("model"));
}

TEST_F(TrainOptions, ARecipeIsWrittenOut) {
  const std::string data = small_data(512);
  ASSERT_EQ(run({"train", "--data", data, "--recipe", "fast", "--out", path("model")}).code, 0);
  const Json saved = run_file();
  EXPECT_GT(saved["steps_per_epoch"].get<int>(), 0);
  ASSERT_EQ(run({"train", "--run", path("model/run.json"), "--out", path("again.keras")}).code, 0);
  EXPECT_TRUE(fs::exists(path("again.run.json")));
  ASSERT_EQ(run({"train", "--run", path("again.run.json"), "--out", path("third")}).code, 0);
  EXPECT_TRUE(weights("third") == weights("model"));
}

TEST_F(TrainOptions, PatienceStopsAndKeepsTheBest) {
  const Result result = run(train({"--epochs", "50", "--validation-split", "0.25", "--patience", "2", "--learning-rate", "1"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("stopped after epoch"), HasSubstr("whose weights are kept")));
}

TEST_F(TrainOptions, TheRateChangesWhatAModelWasCompiledWith) {
  ASSERT_EQ(run(train({"--optimizer", "sgd:momentum=0.5"})).code, 0);
  ASSERT_EQ(run(train({"--model", path("model"), "--learning-rate", "0.125"}, "more")).code, 0);
  const Json optimizer = run_file("more")["optimizer"];
  EXPECT_EQ(optimizer["class_name"], "SGD");
  EXPECT_EQ(optimizer["config"]["momentum"], 0.5);
  EXPECT_EQ(optimizer["config"]["learning_rate"], 0.125);
}

TEST_F(TrainOptions, WhatIsWrongIsNamed) {
  struct Wrong {
    std::vector<std::string> arguments;
    int code;
    std::vector<std::string> says;
  };
  write(path("field.json"), R"({"epochs": 2, "batchsize": 8})");
  write(path("range.json"), R"({"epochs": 0})");
  write(path("loss.json"), R"({"loss": "crossentropy"})");
  write(path("text.json"), R"({"optimizer": "adam:beta_1"})");
  const std::vector<Wrong> all = {
      {{"--optimizer", "adamm"}, 2, {"--optimizer", "adamm", "did you mean \"adam\"?"}},
      {{"--optimizer", "adam:weight_deca=0.1"}, 2, {"weight_deca", "did you mean \"weight_decay\"?"}},
      {{"--optimizer", "adam:beta_1=2"}, 2, {"beta_1 is 2", "must be"}},
      {{"--optimizer", "adam:beta_1"}, 2, {"ARGUMENT=VALUE"}},
      {{"--optimizer", "adam,sgd"}, 2, {"one name is allowed"}},
      {{"--optimizer", "adam:beta_1=0.8,beta_1=0.9"}, 2, {"beta_1 is given twice"}},
      {{"--loss", "mean_squared"}, 2, {"--loss", "mean_squared"}},
      {{"--metrics", "accuracy,acuracy"}, 2, {"acuracy", "did you mean"}},
      {{"--schedule", "cosin"}, 2, {"--schedule", "cosin", "did you mean"}},
      {{"--schedule", "cosine:alpa=1"}, 2, {"alpa", "did you mean \"alpha\"?"}},
      {{"--patience", "3"}, 2, {"--validation-split"}},
      {{"--recipe", "fast", "--optimizer", "sgd"}, 2, {"--recipe", "--optimizer"}},
      {{"--run", path("nothing.json")}, 4, {"nothing.json"}},
      {{"--run", path("field.json")}, 3, {"field.json", "batchsize", "did you mean \"batch_size\"?"}},
      {{"--run", path("range.json")}, 3, {"range.json", "epochs is 0"}},
      {{"--run", path("loss.json")}, 3, {"loss.json: loss", "did you mean \"binary_crossentropy\", \"binary_focal_crossentropy\" or \"categorical_crossentropy\"?"}},
      {{"--run", path("text.json")}, 3, {"text.json: optimizer", "ARGUMENT=VALUE"}},
      {{"--epochs", "2", "--epochs", "3"}, 2, {"--epochs is given more than once; once is allowed"}},
      {{"--metrics", "top_k_categorical_accuracy:k=2"}, 3, {"give compile SparseTopKCategoricalAccuracy"}},
  };
  const std::string data = small_data();
  for (const Wrong& wrong : all) {
    std::vector<std::string> arguments = {"train", "--data", data};
    arguments.insert(arguments.end(), wrong.arguments.begin(), wrong.arguments.end());
    const Result result = run(arguments);
    EXPECT_EQ(result.code, wrong.code) << testing::PrintToString(wrong.arguments) << result.err;
    for (const std::string& part : wrong.says) EXPECT_THAT(result.err, HasSubstr(part)) << testing::PrintToString(wrong.arguments);
  }
}

}  // namespace
}  // namespace linn::cli
