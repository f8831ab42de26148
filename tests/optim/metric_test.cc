// Metrics against Keras's results over two batches; which metric "accuracy" is; names in logs; JSON.
#include <gmock/gmock.h>

#include <set>

#include "linn/error.h"
#include "optim/losses.h"
#include "optim/metrics.h"
#include "support/golden.h"
#include "support/message_of.h"
#include "support/plan_run.h"

namespace linn::detail::optim {
namespace {

using namespace tests;
using ::testing::AllOf;
using ::testing::HasSubstr;

double measure(const Metric& metric, const Shape& image, const Values& prediction, const Values& target, bool labels, Precision precision) {
  const auto images = static_cast<std::int64_t>(prediction.size()) / image.elements();
  PlanRun run(plan::Purpose::inference);
  plan::LossInputs inputs;
  inputs.prediction = run.bind("y_pred", image, plan::Extent::batch, prediction);
  inputs.target = run.bind("y_true", labels ? Shape{image.elements() / image[-1]} : image, plan::Extent::batch, target,
                           labels ? plan::Element::i64 : plan::Element::real);
  const std::int64_t counts = metric.description().counts();
  const plan::Value sums = plan::row_sums(run.lowering(), lower(run.lowering(), metric, inputs), counts);
  run.compile(images, precision);
  run.run(images);
  EXPECT_EQ(static_cast<std::int64_t>(run.get(sums).size()), counts);
  return metric.description().result(run.get(sums), static_cast<double>(images * image.elements() / image[-1]));
}

TEST(MetricGolden, EveryRowAsKeras) {
  const GoldenTensors golden("optim.safetensors");
  std::set<std::string> seen;
  const io::Json index = golden_json("optim.json");
  for (const io::Json& test : index["metrics"]) {
    const auto name = test["name"].get<std::string>();
    const Metric metric = metric_from_json(test, name);
    EXPECT_EQ(metric.name, test["config"]["name"].get<std::string>().substr(0, metric.name.size()));
    const Tensor prediction = golden[name + "/y_pred"], target = golden[name + "/y_true"];
    for (const Level& level : levels) {
      SCOPED_TRACE(name + " " + test["config"].dump() + " in " + level.name);
      const double got = measure(metric, prediction.shape().without_first(), values_of(prediction), values_of(target), target.shape().rank() == 1, level.precision);
      EXPECT_TRUE(agrees("result", {}, {got}, golden.values(name + "/result"), {1e-5, 0}));
    }
    seen.insert(test["class_name"]);
  }
  for (const auto& row : metric_rows())
    EXPECT_TRUE(seen.contains(std::string(row.info.name))) << "no golden case of " << row.info.name << "; add one to make_optim_golden.py";
}

// Dense(3) as identity, y [[1, 0, 0], [0, 1, 1]]: five of six elements are on the right side of 0.5.
TEST(Metric, BinaryAccuracyLooksAtEachElement) {
  const Values p{.9, .2, .1, .8, .3, .7}, y{1, 0, 0, 0, 1, 1};
  EXPECT_NEAR(measure("binary_accuracy", {3}, p, y, false, Precision::float64), 4.0 / 6, 1e-12);
  EXPECT_NEAR(measure("binary_accuracy", {3}, {.9, .2, .1, .1, .8, .3}, y, false, Precision::float64), 5.0 / 6, 1e-12);
  EXPECT_NEAR(measure(metrics::BinaryAccuracy{.threshold = 0.25}, {3}, {.9, .2, .1, .1, .8, .3}, y, false, Precision::float64), 1, 1e-12);
}

TEST(Metric, AccuracyIsTheOneOfTheShapes) {
  // Labels: the largest is at the label. One-hot: at the largest target. One number: on the side of 0.5.
  EXPECT_EQ(measure("accuracy", {3}, {.1, .2, .7, .5, .3, .2}, {2, 1}, true, Precision::float64), 0.5);
  EXPECT_EQ(measure("acc", {3}, {.1, .2, .7, .5, .3, .2}, {0, 0, 1, 1, 0, 0}, false, Precision::float64), 1);
  EXPECT_EQ(measure("Accuracy", {1}, {.1, .2, .7, .5}, {0, 1, 1, 1}, false, Precision::float64), 0.5);
  EXPECT_EQ(measure("accuracy", {2, 2}, {.1, .9, .8, .2, .4, .6, .3, .7}, {1, 0, 0, 1}, true, Precision::float64), 0.75);
}

TEST(Metric, FirstLargestAndNan) {
  const double nan = std::nan("");
  const Values p{1, 3, 3, 3, 3, 1, 0, 1, 0, 5, nan, 7};
  EXPECT_EQ(measure("sparse_categorical_accuracy", {3}, p, {1, 1, 1, 1}, true, Precision::float32), 0.75);
  EXPECT_EQ(measure("categorical_accuracy", {3}, p, {0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1}, false, Precision::float32), 0.5);
  EXPECT_EQ(measure(metrics::SparseTopKCategoricalAccuracy{.k = 3}, {3}, p, {0, 2, 1, 2}, true, Precision::float32), 0.75);
}

TEST(Metric, RefusesTargetsOfTheOtherKind) {
  const auto refused = [](const char* metric, bool labels) {
    return message_of<ValueError>([&] { measure(metric, {2}, {1, 2}, labels ? Values{1} : Values{0, 1}, labels, Precision::float64); });
  };
  EXPECT_THAT(refused("categorical_accuracy", true), AllOf(HasSubstr("CategoricalAccuracy"), HasSubstr("the loss takes integer labels")));
  EXPECT_THAT(refused("sparse_categorical_accuracy", false), HasSubstr("the loss takes targets of the output's shape"));
  EXPECT_THAT(refused("mse", true), HasSubstr("MeanSquaredError"));
  EXPECT_THAT(message_of<ValueError>([] { measure(metrics::Precision{.class_id = 2}, {2}, {1, 2}, {0, 1}, false, Precision::float64); }),
              HasSubstr("class_id is 2; the output has 2 classes"));
}

TEST(Metric, NothingSaidIsNothingWrong) {
  EXPECT_EQ(measure("Precision", {2}, {.1, .2}, {0, 1}, false, Precision::float64), 0);
  EXPECT_EQ(measure("Recall", {2}, {.1, .2}, {0, 0}, false, Precision::float64), 0);
}

TEST(Metric, NamesInLogs) {
  EXPECT_EQ(Metric("mse").name, "mse");
  EXPECT_EQ(Metric("acc").name, "acc");
  EXPECT_EQ(Metric(metrics::Precision()).name, "precision");
  EXPECT_EQ(Metric(metrics::MeanSquaredError{.name = "own"}).name, "own");
  EXPECT_EQ(Metric(metrics::LogCoshError()).name, "logcosh");
  const std::vector<Metric> unique = with_unique_names({metrics::Precision{}, metrics::Precision{.thresholds = 0.7}, "mse", metrics::Precision{}});
  EXPECT_EQ(unique[1].name, "precision_1");
  EXPECT_EQ(unique[2].name, "mse");
  EXPECT_EQ(unique[3].name, "precision_2");
  EXPECT_THAT(message_of<ValueError>([] { with_unique_names({"mse", metrics::MeanSquaredError{.name = "mse"}}); }), HasSubstr("\"mse\""));
  EXPECT_THAT(message_of<ValueError>([] { with_unique_names({metrics::MeanSquaredError{.name = "loss"}}); }), HasSubstr("\"loss\""));
  EXPECT_THAT(message_of<ValueError>([] { Metric("top_k_categorical_acuracy"); }), HasSubstr("did you mean \"top_k_categorical_accuracy\"?"));
}

TEST(Metric, ExamplesOfEveryRowRoundTrip) {
  for (const auto& row : metric_rows())
    for (const schema::Example& example : row.examples) {
      const std::string what = std::string(row.info.name) + std::string(example.config);
      const Metric metric = row.read(io::parse_json(std::string(example.config), what), what);
      EXPECT_EQ(metric.class_name(), row.info.name);
      const io::Json json = to_json(metric);
      const Metric again = metric_from_json(json, what);
      EXPECT_EQ(again.name, metric.name);
      EXPECT_EQ(to_json(again), json);
    }
  EXPECT_EQ(to_json(Metric("accuracy")), "accuracy");
  EXPECT_EQ(to_json(Metric("mse")), "mse");
  EXPECT_EQ(to_json(Metric(metrics::TopKCategoricalAccuracy{.k = 3}))["config"]["k"], 3);
}

}  // namespace
}  // namespace linn::detail::optim
