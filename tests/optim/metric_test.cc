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
  const auto counter = metric.description().counter(image[-1], labels);
  const plan::Value totals = plan::totals_value(run.lowering(), metric.name, counter->totals());
  run.adopt(totals, Values(static_cast<std::size_t>(counter->totals()), 0));
  counter->lower(run.lowering(), inputs, {}, totals);
  run.compile(images, precision);
  run.run(images);
  return counter->result(run.get(totals));
}

void check_metrics(const std::string& file, std::set<std::string>& seen) {
  const GoldenTensors golden(file + ".safetensors");
  const io::Json index = golden_json(file + ".json");
  for (const io::Json& test : index["metrics"]) {
    const auto name = test["name"].get<std::string>();
    const Metric metric = metric_from_json(test, name);
    EXPECT_EQ(metric.name, test["config"]["name"].get<std::string>().substr(0, metric.name.size()));
    const Tensor prediction = golden[name + "/y_pred"], target = golden[name + "/y_true"];
    const Values wanted = golden.values(name + "/result");
    SCOPED_TRACE(name + " " + test["class_name"].get<std::string>() + test["config"].dump());
    if (test.value("direction", io::Json()).is_string()) {
      EXPECT_EQ(metric.description().larger_is_better(), test["direction"] == "up");
    }
    const bool weighted = test.value("weighted", false);
    for (const Level& level : levels) {
      if (weighted || test.value("list", false)) break;
      SCOPED_TRACE(level.name);
      const double got = measure(metric, prediction.shape().without_first(), values_of(prediction), values_of(target), target.shape().rank() == 1, level.precision);
      EXPECT_TRUE(agrees("result", {}, {got}, wanted, {1e-5, 0}));
    }
    // The same by hand, in one update and in several.
    const std::int64_t n = prediction.shape()[0];
    std::vector<double> whole;
    for (const std::int64_t step : {n, std::int64_t{1}, std::int64_t{4}}) {
      MetricState state(metric);
      for (std::int64_t first = 0; first < n; first += step) {
        const std::int64_t last = std::min(first + step, n);
        state.update_state(target.rows(first, last), prediction.rows(first, last), weighted ? golden[name + "/sample_weight"].rows(first, last) : Tensor());
      }
      EXPECT_TRUE(agrees("results", {}, state.results(), wanted, {1e-5, 0}));
      if (step == n) whole = state.results();
      EXPECT_EQ(state.results(), whole) << "updates of " << step << " differ from one update";
    }
    seen.insert(test["class_name"]);
  }
}

TEST(MetricGolden, EveryRowAsKeras) {
  std::set<std::string> seen;
  check_metrics("optim", seen);
  check_metrics("metrics", seen);
  for (const auto& row : metric_rows())
    EXPECT_TRUE(seen.contains(std::string(row.info.name))) << "no golden case of " << row.info.name << "; add one to make_metrics_golden.py";
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

TEST(Metric, ConfusionMatrixAsScikitLearn) {
  const GoldenTensors golden("metrics.safetensors");
  const Tensor labels = golden["confusion/labels"], predictions = golden["confusion/predictions"];
  const metrics::ConfusionMatrix matrix = metrics::confusion_matrix(labels, predictions, 5);
  EXPECT_EQ(values_of(matrix.values()), golden.values("confusion/matrix"));
  EXPECT_TRUE(agrees("precision", {}, matrix.precision(), golden.values("confusion/precision"), {1e-6, 0}));
  EXPECT_TRUE(agrees("recall", {}, matrix.recall(), golden.values("confusion/recall"), {1e-6, 0}));
  EXPECT_TRUE(agrees("f1", {}, matrix.f1_score(), golden.values("confusion/f1_score"), {1e-6, 0}));
  EXPECT_TRUE(agrees("accuracy", {}, {matrix.accuracy()}, golden.values("confusion/accuracy"), {1e-6, 0}));
  metrics::ConfusionMatrix parts(5);
  parts.update(labels.rows(0, 7), predictions.rows(0, 7));
  parts.update(labels.rows(7, 40), predictions.rows(7, 40));
  EXPECT_EQ(values_of(parts.values()), values_of(matrix.values()));
}

TEST(Metric, ConfusionMatrixOfScoresAsATable) {
  const metrics::ConfusionMatrix matrix =
      metrics::confusion_matrix(Tensor::from(std::vector<std::int64_t>{0, 1, 1}, {3}), Tensor::from(std::vector<float>{.9F, .1F, .2F, .8F, .7F, .3F}, {3, 2}));
  EXPECT_EQ(matrix.to_string({"cat", "dog"}),
            "label \\ prediction     cat     dog  recall\n"
            "cat                      1       0  1.0000\n"
            "dog                      1       1  0.5000\n"
            "precision           0.5000  1.0000  0.6667\n");
  EXPECT_THAT(message_of<ValueError>([&] { matrix.to_string({"cat"}); }), HasSubstr("1 names came for 2 classes"));
  EXPECT_THAT(message_of<DataError>([] { metrics::confusion_matrix(Tensor::from(std::vector<float>{0.5F}, {1}), Tensor::from(std::vector<float>{1}, {1})); }),
              HasSubstr("labels hold 0.5 for sample 0"));
  EXPECT_THAT(message_of<DataError>([] { metrics::ConfusionMatrix(2).update(Tensor::from(std::vector<float>{0, 2}, {2}), Tensor::from(std::vector<float>{1, 1}, {2})); }),
              HasSubstr("label 2 of sample 1"));
  EXPECT_THAT(message_of<ShapeError>([] { metrics::ConfusionMatrix(2).update(Tensor::from(std::vector<float>{0, 1}, {2}), Tensor::from(std::vector<float>{1}, {1})); }),
              HasSubstr("2 labels came with 1 predictions"));
}

TEST(Metric, StateRefusesWhatDoesNotFit) {
  MetricState state(metrics::SparseCategoricalCrossentropy{});
  EXPECT_EQ(state.result(), 0);
  const Tensor p = Tensor::from(std::vector<float>{.5F, .5F}, {1, 2});
  EXPECT_THAT(message_of<DataError>([&] { state.update_state(Tensor::from(std::vector<std::int64_t>{2}, {1}), p); }), HasSubstr("label 2 of row 0; y_pred has 2 classes"));
  EXPECT_THAT(message_of<ShapeError>([&] { state.update_state(Tensor::from(std::vector<std::int64_t>{1, 0}, {2}), p); }), HasSubstr("y_true must have the shape (1,)"));
  EXPECT_THAT(message_of<ShapeError>([&] { state.update_state(Tensor::from(std::vector<std::int64_t>{1}, {1}), p, Tensor::from(std::vector<float>{1, 2, 3}, {3})); }),
              HasSubstr("sample_weight has shape (3,)"));
  EXPECT_THAT(message_of<DataError>([&] { state.update_state(Tensor(), p); }), HasSubstr("no predictions"));
  state.update_state(Tensor::from(std::vector<std::int64_t>{1}, {1}), p);
  EXPECT_NEAR(state.result(), std::log(2), 1e-6);
  state.reset_state();
  EXPECT_EQ(state.result(), 0);
}

TEST(Metric, LossesAreMetrics) {
  const Metric huber(losses::Huber{.delta = 2});
  EXPECT_EQ(huber.name, "huber");
  EXPECT_EQ(Metric("huber").class_name(), "Huber");
  EXPECT_EQ(to_json(Metric("huber")), "huber");
  EXPECT_EQ(to_json(metric_from_json(to_json(huber), "test")), to_json(huber));
  EXPECT_EQ(measure(huber, {1}, {3, 0}, {0, 0}, false, Precision::float64), 2);
  EXPECT_FALSE(huber.description().larger_is_better());
}

TEST(Metric, RefusesOptionsThatDoNotFit) {
  const auto refused = [](const Metric& metric) {
    return message_of<ValueError>([&] { metric.description().counter(3, false); });
  };
  EXPECT_THAT(refused(metrics::AUC{.label_weights = {1, 2}}), HasSubstr("label_weights are 2; the output has 3 numbers in a row"));
  EXPECT_THAT(refused(metrics::AUC{.multi_label = true, .num_labels = 2}), HasSubstr("num_labels is 2; the output has 3"));
  EXPECT_THAT(refused(metrics::MeanIoU{.num_classes = 5, .sparse_y_true = false, .sparse_y_pred = false}), HasSubstr("num_classes is 5; the output has 3 scores"));
  EXPECT_THAT(message_of<ValueError>([] { Metric(metrics::AUC{.num_labels = 2}); }), HasSubstr("num_labels is for multi_label alone"));
  EXPECT_THAT(message_of<ValueError>([] { Metric(metrics::Precision{.thresholds = {0.5, 1.5}}); }), HasSubstr("thresholds is (0.5, 1.5); each number must be 0 to 1"));
  EXPECT_THAT(message_of<ValueError>([] { Metric(metrics::Recall{.thresholds = {0.5, 0.2}}); }), HasSubstr("they must ascend"));
  EXPECT_THAT(message_of<ValueError>([] { Metric(metrics::OneHotIoU{.num_classes = 2, .target_class_ids = {2}}); }), HasSubstr("target_class_ids has 2; the classes are 0 to 1"));
  EXPECT_THAT(message_of<ValueError>([] { Metric(metrics::OneHotIoU{.num_classes = 2, .target_class_ids = {0}, .sparse_y_pred = true}); }), HasSubstr("set both, or none"));
  EXPECT_THAT(message_of<ValueError>([] { Metric(metrics::F1Score{.threshold = 0}); }), HasSubstr("threshold is 0"));
  EXPECT_THAT(message_of<ValueError>([] { Metric("MeanIoU"); }), HasSubstr("num_classes"));
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
