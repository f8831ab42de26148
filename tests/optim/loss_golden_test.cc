// Losses against what Keras computes (value and gradient, weighted and not, in both precisions), and their gradients against finite differences.
#include <gmock/gmock.h>

#include <set>

#include "linn/error.h"
#include "optim/losses.h"
#include "support/finite_differences.h"
#include "support/golden.h"
#include "support/message_of.h"
#include "support/plan_run.h"

namespace linn::detail::optim {
namespace {

using namespace tests;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Result {
  double value;
  Values gradient;
};

Result run_loss(const Loss& loss, const GoldenTensors& golden, const std::string& name, bool weighted, Precision precision) {
  PlanRun run(plan::Purpose::training);
  plan::Lowering& to = run.lowering();
  const Tensor& prediction = golden[name + "/y_pred"];
  const Shape image = prediction.shape().without_first();
  const std::int64_t images = prediction.shape()[0];
  plan::LossInputs inputs;
  inputs.prediction = run.bind("y_pred", image, plan::Extent::batch, values_of(prediction));
  const bool labels = loss.description().takes_labels();
  inputs.target = run.bind("y_true", labels ? Shape{} : image, plan::Extent::batch, golden.values(name + "/y_true"), labels ? plan::Element::i64 : plan::Element::real);
  plan::Value weight;
  if (weighted) weight = run.bind("weight", {}, plan::Extent::batch, golden.values(name + "/sample_weight"));
  const plan::Value sum = lower_sum(to, loss, inputs, weight);
  const plan::Value gradient = run.compile(images, precision, {.variables = {inputs.prediction}, .update = {}}).front();
  run.run(images);
  return {run.get(sum)[0] / static_cast<double>(images * rows_of(loss, image)), run.get(gradient)};
}

TEST(LossGolden, AsKeras) {
  const GoldenTensors golden("losses.safetensors");
  const io::Json index = golden_json("losses.json");
  int compared = 0;
  for (const io::Json& test : index["cases"]) {
    const auto name = test["name"].get<std::string>();
    const Loss loss = loss_from_json(test, name);
    // Where probabilities are clipped, linn divides by their sum first, as Keras does on JAX and torch.
    const std::string other = test["clipped"].get<bool>() ? "_jax" : "";
    for (const Level& level : levels) {
      SCOPED_TRACE(name + " in " + level.name);
      const Result result = run_loss(loss, golden, name, test["weighted"].get<bool>(), level.precision);
      // In float32, 1 - 1e-7 is 1 - 1.2e-7: what was clipped at the top says little.
      const Tolerance tolerance = test["clipped"].get<bool>() && level.precision == Precision::float32 ? Tolerance{0, 1e-4} : level.tolerance;
      EXPECT_TRUE(agrees("value", {}, {result.value}, golden.values(name + "/value" + other), tolerance));
      EXPECT_TRUE(agrees("grad", golden[name + "/grad"].shape(), result.gradient, golden.values(name + "/grad" + other), tolerance));
    }
    ++compared;
  }
  EXPECT_EQ(compared, 38);
}

// optim.json and metrics.json have at least one case for each row of the registry.
void check_losses(const std::string& file, std::set<std::string>& seen) {
  const GoldenTensors golden(file + ".safetensors");
  const io::Json index = golden_json(file + ".json");
  for (const io::Json& test : index["losses"]) {
    const auto name = test["name"].get<std::string>();
    const Loss loss = loss_from_json(test, name);
    for (const Level& level : levels) {
      SCOPED_TRACE(name + " in " + level.name);
      const Result result = run_loss(loss, golden, name, test["weighted"].get<bool>(), level.precision);
      EXPECT_TRUE(agrees("value", {}, {result.value}, golden.values(name + "/value"), level.tolerance));
      EXPECT_TRUE(agrees("grad", golden[name + "/grad"].shape(), result.gradient, golden.values(name + "/grad"), level.tolerance));
    }
    seen.insert(test["class_name"]);
  }
}

TEST(LossGolden, EveryRowAsKeras) {
  std::set<std::string> seen;
  check_losses("optim", seen);
  check_losses("metrics", seen);
  for (const auto& row : loss_rows())
    EXPECT_TRUE(seen.contains(std::string(row.info.name))) << "no golden case of " << row.info.name << "; add one to make_optim_golden.py";
}

// Every example of every row: a new loss is checked as soon as it is in the registry.
void check_slopes(const Loss& loss, const std::string& what) {
  SCOPED_TRACE(what);
  constexpr std::int64_t images = 5, classes = 4;
  const std::optional<std::int64_t> ignored = loss.description().ignored_label();
  PlanRun run(plan::Purpose::training);
  plan::Lowering& to = run.lowering();
  Values at = random_values(images * classes, 3, 0.1, 0.9);
  if (loss.class_name() == "Circle")  // of vectors of length 1; far from where the distance would be negative
    for (double& value : at) value /= 2;
  plan::LossInputs inputs;
  inputs.prediction = run.bind("y_pred", {classes}, plan::Extent::batch, at);
  inputs.target = loss.description().takes_labels()
                      ? run.bind("y_true", {}, plan::Extent::batch, {0, static_cast<double>(ignored.value_or(3)), 1, 2, 3}, plan::Element::i64)
                      : run.bind("y_true", {classes}, plan::Extent::batch, random_values(images * classes, 4, 0.05, 0.95));
  const plan::Value weight = run.bind("weight", {}, plan::Extent::batch, {1, 0.5, 0, 2, 1.5});
  // Two losses of one prediction add up, each with its factor.
  const plan::Value once = lower_sum(to, loss, inputs, weight, 2.0), again = lower_sum(to, loss, inputs, {}, -0.5);
  const auto rows = static_cast<double>(images * rows_of(loss, {classes}));
  const plan::Value gradient = run.compile(images, Precision::float64, {.variables = {inputs.prediction}, .update = {}}).front();
  const auto objective = [&](const Values& values) {
    run.set(inputs.prediction, values);
    run.run(images);
    return (2 * run.get(once)[0] - 0.5 * run.get(again)[0]) / rows;
  };
  objective(at);
  expect_slopes(what, at, run.get(gradient), objective);
}

TEST(Loss, GradientsOfEveryRowByFiniteDifferences) {
  for (const auto& row : loss_rows())
    for (const schema::Example& example : row.examples) {
      const std::string what = std::string(row.info.name) + std::string(example.config);
      check_slopes(row.read(io::parse_json(std::string(example.config), what), what), what);
    }
}

TEST(Loss, ExamplesOfEveryRowRoundTrip) {
  for (const auto& row : loss_rows())
    for (const schema::Example& example : row.examples) {
      const std::string what = std::string(row.info.name) + std::string(example.config);
      const Loss loss = row.read(io::parse_json(std::string(example.config), what), what);
      EXPECT_EQ(loss.class_name(), row.info.name);
      const io::Json json = to_json(loss);
      EXPECT_EQ(to_json(loss_from_json(json, what)), json);
    }
}

TEST(Loss, NamesAndJson) {
  for (const char* name : {"mse", "MSE", "mean_squared_error", "MeanSquaredError"}) EXPECT_EQ(Loss(name).name(), "mean_squared_error");
  EXPECT_EQ(Loss("kld").class_name(), "KLDivergence");
  EXPECT_EQ(Loss(losses::Huber({.delta = 2})).name(), "huber");
  EXPECT_EQ(Loss().name(), "none");
  EXPECT_THAT(message_of<ValueError>([] { Loss("sparse_categorical_crossentopy"); }),
              AllOf(HasSubstr("unknown loss \"sparse_categorical_crossentopy\""), HasSubstr("did you mean \"sparse_categorical_crossentropy\"?")));
  EXPECT_THAT(message_of<ValueError>([] { Loss(losses::CategoricalCrossentropy({.label_smoothing = 1.5})); }),
              HasSubstr("CategoricalCrossentropy: label_smoothing is 1.5"));
  EXPECT_THAT(message_of<ValueError>([] { Loss(losses::Huber{.delta = 0}); }), HasSubstr("Huber: delta is 0"));
  EXPECT_EQ(to_json(Loss("mse")), "mean_squared_error");
  EXPECT_EQ(to_json(Loss()), nullptr);
  EXPECT_FALSE(loss_from_json(nullptr, "test").defined());
  EXPECT_EQ(loss_from_json({{"module", "builtins"}, {"class_name", "function"}, {"config", "huber"}}, "test").name(), "huber");
}

TEST(Loss, RefusesWhatItLacksByName) {
  const auto refused = [](const char* class_name, const io::Json& config) {
    return message_of<FormatError>([&] { loss_from_json({{"class_name", class_name}, {"config", config}}, "file: loss"); });
  };
  EXPECT_THAT(refused("CTC", io::Json::object()), AllOf(HasSubstr("file: loss"), HasSubstr("\"CTC\"")));
  EXPECT_THAT(refused("Huber", {{"reduction", "none"}}), HasSubstr("gives a number for each row; training and evaluation need one"));
  EXPECT_THAT(refused("Huber", {{"reduction", nullptr}}), HasSubstr("gives a number for each row"));
  EXPECT_THAT(refused("Huber", {{"reduction", "summ"}}), HasSubstr("did you mean \"sum\"?"));
  EXPECT_THAT(refused("Dice", {{"axis", io::Json::array()}}), HasSubstr("axis is an empty list"));
  EXPECT_THAT(refused("BinaryCrossentropy", {{"axis", 1}}), HasSubstr("\"axis\""));
  EXPECT_THAT(refused("Hinge", {{"dtype", "float16"}}), HasSubstr("\"dtype\""));
  EXPECT_THAT(refused("CategoricalCrossentropy", {{"label_smoothing", 7}}), HasSubstr("label_smoothing is 7"));
}

// The functions of linn/losses.h are the user's too.
TEST(Loss, FunctionsCanBeCalled) {
  EXPECT_EQ(losses::Huber{}.value(0.0, 3.0), 2.5);
  EXPECT_EQ(losses::MeanAbsoluteError{}.slope(2.0F, 1.0F), -1.0F);
}

}  // namespace
}  // namespace linn::detail::optim
