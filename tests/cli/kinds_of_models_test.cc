// The command on models of kinds that Keras's users have: two classes by one output, images of any size.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cli/run_command.h"
#include "linn/data.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/pixels.h"

namespace linn::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// ---- two classes by one output -------------------------------------------------------------------------------------

class Binary : public Command {
 protected:
  // The squares of small_data, with their column as the class.
  std::string two_classes() const {
    const Archive data = load_npz(small_data());
    Tensor y = data["y_test"].clone();
    for (std::uint8_t& label : y.values<std::uint8_t>()) label &= 1;
    save_npz(path("two.npz"), {{"x_train", data["x_train"]}, {"y_train", y}, {"x_test", data["x_test"]}, {"y_test", y}});
    return path("two.npz");
  }
  static Sequential ends_in(const std::string& activation) {
    return Sequential({Conv2D(4, 3, {.activation = "relu", .input_shape = {12, 12, 1}}), MaxPooling2D(2), Flatten(),
                       Dense(1, {.activation = activation})});
  }
  // The share of right classes: an output above the threshold is class 1.
  static double share_right(const Model& model, const Archive& data, double threshold) {
    const Tensor outputs = model.predict(tests::from_0_to_1(data["x_test"]));
    double right = 0;
    for (std::size_t i = 0; i < outputs.values<float>().size(); ++i)
      right += (static_cast<double>(outputs.values<float>()[i]) > threshold) == (data["y_test"].values<std::uint8_t>()[i] == 1) ? 1 : 0;
    return right / static_cast<double>(outputs.values<float>().size());
  }
};

TEST_F(Binary, TrainEvaluatePredictShift) {
  const std::string data = two_classes();
  for (const char* activation : {"sigmoid", "linear"}) {
    SCOPED_TRACE(activation);
    const bool logits = std::string(activation) == "linear";
    write(path("net.json"), ends_in(activation).to_json());
    const Result trained = run({"train", "--data", data, "--model", path("net.json"), "--epochs", "20", "--batch-size", "8",
                                "--learning-rate", "0.01", "--out", path("m.keras")});
    ASSERT_EQ(trained.code, 0) << trained.err;
    EXPECT_THAT(trained.out, AllOf(HasSubstr(logits ? "loss BinaryCrossentropy of logits" : "loss binary_crossentropy,"),
                                   HasSubstr("accuracy: 1.0000")));
    EXPECT_EQ(run({"evaluate", path("m.keras"), "--data", data, "--log", "json"}).events().at(0)["accuracy"], 1.0);
    for (int row = 0; row < 2; ++row) {
      const auto seen = run({"predict", path("m.keras"), "--data", data, "--row", fmt::format("{}", row), "--log", "json"}).events().at(0);
      EXPECT_EQ(seen["class"], row);
      EXPECT_GT(seen["value"].get<double>(), 0.5);
      EXPECT_NEAR(seen["values"][0].get<double>() + seen["values"][1].get<double>(), 1, 1e-6);
    }
    const auto shifted = run({"shift", path("m.keras"), "--data", data, "--radius", "1", "--log", "json"}).events().back();
    EXPECT_EQ(shifted["accuracy"], 1.0) << shifted;
    EXPECT_EQ(run({"shift", path("m.keras"), "--data", data, "--protocol", "aps"}).code, 0);
    EXPECT_EQ(run({"profile", path("m.keras"), "--data", data, "--training", "--steps", "2"}).code, 0);
  }
}

// The threshold lies where the class changes: 0.5 for a probability, 0 for a logit.
TEST_F(Binary, TheThresholdFollowsTheOutput) {
  const Archive data = load_npz(two_classes());
  for (const char* activation : {"sigmoid", "linear"}) {
    SCOPED_TRACE(activation);
    Sequential model = ends_in(activation);
    const bool logits = std::string(activation) == "linear";
    const double right = share_right(model, data, logits ? 0 : 0.5);
    model.save(path("new.keras"));
    EXPECT_EQ(run({"evaluate", path("new.keras"), "--data", path("two.npz"), "--log", "json"}).events().at(0)["accuracy"].get<double>(),
              right)
        << "not compiled";
    model.compile({.loss = losses::BinaryCrossentropy({.from_logits = logits}), .metrics = {"accuracy"}});
    model.save(path("compiled.keras"));
    const auto event = run({"evaluate", path("compiled.keras"), "--data", path("two.npz"), "--log", "json"}).events().at(0);
    EXPECT_EQ(event["accuracy"].get<double>(), share_right(model, data, 0.5)) << "as Keras counts it";
    EXPECT_EQ(event.contains("accuracy_at_threshold_0"), logits);
    if (logits) {
      EXPECT_EQ(event["accuracy_at_threshold_0"].get<double>(), right);
    }
    const auto shifted =
        run({"shift", path("compiled.keras"), "--data", path("two.npz"), "--radius", "1", "--log", "json"}).events().back();
    EXPECT_NEAR(shifted["accuracy"].get<double>(), right, 1e-12);
  }
}

TEST_F(Binary, FixKeepsOneOutput) {
  const std::string data = two_classes();
  ends_in("sigmoid").save(path("m.keras"));
  const Result fixed = run({"fix", path("m.keras"), "--data", data, "--epochs", "1", "--radius", "1", "--out", path("fixed.keras")});
  EXPECT_EQ(fixed.code, 0) << fixed.err;
  EXPECT_THAT(run({"evaluate", path("fixed.keras"), "--data", data}).out, HasSubstr("loss BinaryCrossentropy"));
}

TEST_F(Binary, MoreThanTwoClassesAreRefusedOnce) {
  ends_in("sigmoid").save(path("m.keras"));
  const std::string data = small_data();
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{{"evaluate", path("m.keras")},
                                                                                         {"shift", path("m.keras"), "--radius", "1"},
                                                                                         {"fix", path("m.keras")},
                                                                                         {"train", "--model", path("m.keras")}}) {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), {"--data", data});
    const Result result = run(all);
    EXPECT_EQ(result.code, 3) << arguments[0];
    EXPECT_THAT(result.err, AllOf(HasSubstr("label 2"), testing::ContainsRegex("0 (and|to) 1 are allowed"))) << arguments[0];
  }
}

// Losses that are not for classes take any number.
TEST_F(Binary, ARegressionIsNoClassifier) {
  Sequential model = ends_in("linear");
  model.compile({.loss = "mean_squared_error"});
  model.save(path("m.keras"));
  const Result result = run({"evaluate", path("m.keras"), "--data", small_data()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("loss: "), Not(HasSubstr("accuracy"))));
  EXPECT_EQ(run({"predict", path("m.keras"), "--data", path("data.npz"), "--log", "json"}).events().at(0)["values"].size(), 1U);
  for (const char* command : {"shift", "fix"}) {
    const Result refused = run({command, path("m.keras"), "--data", path("data.npz")});
    EXPECT_EQ(refused.code, 3) << command;
    EXPECT_THAT(refused.err, HasSubstr("compiled with mean_squared_error, which is no classifier's loss")) << command;
  }
}

// ---- images of any size --------------------------------------------------------------------------------------------

class OpenSize : public Command {
 protected:
  static Model fully_convolutional() {
    const SymbolicTensor in = Input({Shape::none, Shape::none, 1});
    SymbolicTensor x = Conv2D(4, 3, {.padding = "same", .activation = "relu"})(in);
    x = MaxPooling2D(2)(x);
    x = GlobalAveragePooling2D()(Conv2D(4, 3)(x));
    return Model(in, Activation("softmax")(x));
  }
};

TEST_F(OpenSize, EveryCommandTakesTheSizeOfTheImages) {
  const Model model = fully_convolutional();
  model.save(path("open.keras"));
  model.with_input_shape({12, 12, 1}).save(path("closed.keras"));
  const std::string data = small_data();
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"evaluate"}, {"predict"}, {"shift", "--radius", "1"}}) {
    const auto of = [&](const char* name) {
      std::vector<std::string> all = {words[0], path(name), "--data", data, "--log", "json"};
      all.insert(all.end(), words.begin() + 1, words.end());
      const Result result = run(all);
      EXPECT_EQ(result.code, 0) << words[0] << ": " << result.err;
      detail::io::Json last = result.events().empty() ? detail::io::Json() : result.events().back();
      for (const char* clock : {"seconds"}) last.erase(clock);
      return last;
    };
    EXPECT_EQ(of("open.keras"), of("closed.keras")) << words[0];
  }
  EXPECT_EQ(run({"profile", path("open.keras"), "--data", data, "--steps", "2"}).code, 0);
  EXPECT_EQ(run({"profile", path("open.keras"), "--input", "16x16x1", "--steps", "2"}).code, 0);
  EXPECT_THAT(run({"profile", path("open.keras")}).err, AllOf(HasSubstr("images of any size"), HasSubstr("--input HxWxC")));
  const Result fixed = run({"fix", path("open.keras"), "--data", data, "--epochs", "1", "--radius", "1", "--out", path("fixed.keras")});
  EXPECT_EQ(fixed.code, 0) << fixed.err;
}

TEST_F(OpenSize, TrainingKeepsItOpen) {
  fully_convolutional().save(path("open.keras"));
  const Result trained = run({"train", "--model", path("open.keras"), "--data", small_data(), "--epochs", "1", "--out", path("on.keras")});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(load_model(path("on.keras")).input_shape(), (Shape{Shape::none, Shape::none, 1}));
}

TEST_F(OpenSize, ACanvasIsRemembered) {
  fully_convolutional().save(path("open.keras"));
  const std::string data = small_data();
  ASSERT_EQ(
      run({"train", "--model", path("open.keras"), "--data", data, "--epochs", "1", "--canvas", "20", "--out", path("on.keras")}).code, 0);
  EXPECT_THAT(run({"shift", path("on.keras"), "--data", data, "--radius", "1"}).out, HasSubstr("they move on a canvas of 20 x 20"));
  EXPECT_EQ(run({"evaluate", path("on.keras"), "--data", data}).code, 0);
}

TEST_F(OpenSize, PicturesOfTheirOwnSize) {
  fully_convolutional().save(path("open.keras"));
  for (const std::int64_t size : {10, 17}) {
    save_png(path("picture.png"), Tensor({size, size + 3, 1}, DType::u8));
    const Result result = run({"predict", path("open.keras"), path("picture.png")});
    EXPECT_EQ(result.code, 0) << result.err;
  }
  save_png(path("picture.png"), Tensor({4, 4, 1}, DType::u8));
  const Result small = run({"predict", path("open.keras"), path("picture.png")});
  EXPECT_EQ(small.code, 3);
  EXPECT_THAT(small.err, AllOf(HasSubstr("picture.png: images of 4 x 4 came, which do not fit the model"), HasSubstr("--resize")));
}

}  // namespace
}  // namespace linn::cli
