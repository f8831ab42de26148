// What fit, evaluate and predict say to data that does not suit the model, and what they take that nearly does.
#include "train/samples.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "linn/linn.h"
#include "support/message_of.h"

namespace linn {
namespace {

using tests::message_of;

Sequential model_of(const std::string& loss) {
  Sequential model({InputLayer({6, 6, 1}), Flatten(), Dense(4, {.activation = "softmax"})});
  model.compile({.optimizer = optimizers::SGD(), .loss = loss});
  return model;
}

// An output of 6 rows of 4 classes: several predictions a sample.
Sequential rows_model() {
  Sequential model({InputLayer({6, 3}), Dense(4, {.activation = "softmax"})});
  model.compile({.optimizer = optimizers::SGD(), .loss = "sparse_categorical_crossentropy"});
  return model;
}

Tensor labels(const std::vector<float>& values) { return Tensor::from(values, {static_cast<std::int64_t>(values.size())}); }

void expect_says(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks: " << part;
}

const FitOptions quiet = {.epochs = 1, .verbose = Verbose::silent};

TEST(Samples, AnAxisOfOneChannelMayBeMissing) {
  Sequential model = model_of("sparse_categorical_crossentropy");
  model.fit(Tensor({3, 6, 6}), labels({0, 1, 3}), quiet);
  EXPECT_EQ(model.predict(Tensor({3, 6, 6})).shape(), Shape({3, 4}));
}

TEST(Samples, ImagesOfAnotherShape) {
  Sequential model = model_of("sparse_categorical_crossentropy");
  const auto fit = [&](const Tensor& x) { return [&model, x] { model.fit(x, labels({0, 1, 3}), quiet); }; };
  expect_says(message_of<ShapeError>(fit(Tensor({3, 6, 7, 1}))), {"x has shape (3, 6, 7, 1)", "the model wants (None, 6, 6, 1)"});
  expect_says(message_of<ShapeError>(fit(Tensor({6, 6, 1}))), {"one image without the axis of images", "(1, 6, 6, 1)"});
  expect_says(message_of<DataError>(fit(Tensor({0, 6, 6, 1}))), {"x holds no images"});
  expect_says(message_of<DataError>(fit(Tensor())), {"x is empty"});
  expect_says(message_of<DataError>(fit(Tensor({2, 6, 6, 1}))), {"x holds 2 images, but y holds 3 targets"});
}

TEST(Samples, LabelsThatAreNone) {
  Sequential model = model_of("sparse_categorical_crossentropy");
  const auto fit = [&](const Tensor& y) { return [&model, y] { model.fit(Tensor({3, 6, 6, 1}), y, quiet); }; };
  expect_says(message_of<DataError>(fit(labels({0, 1, 4}))), {"label 4 of sample 2", "from 0 to 3"});
  expect_says(message_of<DataError>(fit(labels({0, -1, 2}))), {"label -1 of sample 1"});
  expect_says(message_of<DataError>(fit(labels({0, 1.5F, 2}))), {"label 1.5 of sample 1"});
  expect_says(message_of<ShapeError>(fit(Tensor({3, 4}))), {"one label a sample", "categorical_crossentropy"});
  expect_says(message_of<DataError>(fit(Tensor())), {"y is empty"});
}

// Of an output of 6 rows the classes stand on the last axis.
TEST(Samples, LabelsOfRowsAreClassesOfTheLastAxis) {
  Sequential model = rows_model();
  const auto fit = [&](float label) {
    std::vector<float> all(12, 3);
    all[7] = label;
    model.fit(Tensor({2, 6, 3}), Tensor::from(all, {2, 6}), quiet);
  };
  EXPECT_NO_THROW(fit(3));
  for (const float label : {4.0F, 5.0F, 6.0F}) expect_says(message_of<DataError>([&] { fit(label); }), {fmt::format("label {}", label), "from 0 to 3"});
}

TEST(Samples, TargetsOfAnotherShape) {
  Sequential model = model_of("categorical_crossentropy");
  expect_says(message_of<ShapeError>([&] { model.fit(Tensor({3, 6, 6, 1}), labels({0, 1, 2}), quiet); }),
              {"y has shape (3,)", "(None, 4)", "use sparse_categorical_crossentropy"});
}

TEST(Samples, Weights) {
  Sequential model = model_of("sparse_categorical_crossentropy");
  const Tensor x({3, 6, 6, 1}), y = labels({0, 1, 3});
  expect_says(message_of<ShapeError>([&] { model.train_on_batch(x, y, {.sample_weight = labels({1, 2})}); }), {"sample_weight has shape (2,)", "(3,)"});
  expect_says(message_of<ValueError>([&] { model.train_on_batch(x, y, {.sample_weight = labels({1, 2, 1}), .class_weight = {{1, 2.0}}}); }),
              {"class_weight and sample_weight are both given"});
}

TEST(Samples, WeightsAreForOnePredictionASample) {
  Sequential model = rows_model();
  const Tensor x({2, 6, 3}), y({2, 6});
  const std::vector<std::string> parts = {"one prediction a sample", "this model's output is (6, 4)"};
  model.train_on_batch(x, y);
  expect_says(message_of<ValueError>([&] { model.train_on_batch(x, y, {.sample_weight = labels({1, 2})}); }), parts);
  expect_says(message_of<ValueError>([&] { model.train_on_batch(x, y, {.class_weight = {{1, 2.0}}}); }), parts);
  expect_says(message_of<ValueError>([&] { model.test_on_batch(x, y, {.class_weight = {{1, 2.0}}}); }), parts);
  FitOptions weighted = quiet;
  weighted.class_weight = {{1, 2.0}};
  expect_says(message_of<ValueError>([&] { model.fit(x, y, weighted); }), parts);
}

TEST(Samples, WeightsOfClassesThatAreNotThere) {
  Sequential model = model_of("sparse_categorical_crossentropy");
  const auto fit = [&](const std::map<std::int64_t, double>& weights) {
    return [&model, weights] { model.fit(Tensor({3, 6, 6, 1}), labels({0, 1, 3}), {.verbose = 0, .class_weight = weights}); };
  };
  expect_says(message_of<ValueError>(fit({{0, 1}, {4, 2}})), {"class_weight names class 4", "the model has 4 classes, 0 to 3"});
  expect_says(message_of<ValueError>(fit({{-1, 2}})), {"class_weight names class -1"});
  expect_says(message_of<ValueError>(fit({{2, -0.5}})), {"class_weight of class 2 is -0.5"});
  expect_says(message_of<ValueError>(fit({{2, std::nan("")}})), {"class_weight of class 2 is nan"});
  fit({{2, 0}})();
}

TEST(Samples, WeightsOfSamplesThatAreNoWeights) {
  Sequential model = model_of("sparse_categorical_crossentropy");
  const auto fit = [&](float weight) {
    return [&model, weight] { model.fit(Tensor({3, 6, 6, 1}), labels({0, 1, 3}), {.verbose = 0, .sample_weight = labels({1, weight, 1})}); };
  };
  expect_says(message_of<ValueError>(fit(-1)), {"sample_weight of sample 1 is -1"});
  expect_says(message_of<ValueError>(fit(std::nanf(""))), {"sample_weight of sample 1 is nan"});
  fit(0)();
}

TEST(Samples, TheLabelToIgnoreIsNoMistake) {
  Sequential model({InputLayer({2}), Dense(3, {.activation = "softmax"})});
  model.compile({.optimizer = optimizers::SGD(), .loss = losses::SparseCategoricalCrossentropy({.ignore_class = 255})});
  Tensor x({4, 2});
  std::ranges::fill(x.values<float>(), 1.0F);
  const double some = model.test_on_batch(x, labels({0, 255, 2, 255}))["loss"], others = model.test_on_batch(x.rows(0, 2), labels({0, 2}))["loss"];
  EXPECT_NEAR(some, others, 1e-5) << "the mean of those that count";
  EXPECT_EQ(model.test_on_batch(x, labels({255, 255, 255, 255}))["loss"], 0);
  EXPECT_THROW(model.test_on_batch(x, labels({0, 254, 2, 1})), DataError);
}

// "accuracy" of y [[1, 0, 0], [0, 1, 1]] is the one-hot one; "binary_accuracy" looks at each element.
TEST(Samples, AMetricAskedForByNameIsThatMetric) {
  Sequential model({InputLayer({3}), Dense(3, {.kernel_initializer = "zeros", .bias_initializer = "zeros"})});
  model.compile({.loss = "mse", .metrics = {"binary_accuracy", "accuracy", metrics::Precision{}, metrics::Recall{.thresholds = 0.25}}});
  model.set_weights({Tensor::from(std::vector<float>{1, 0, 0, 0, 1, 0, 0, 0, 1}, {3, 3}), Tensor({3})});
  const Tensor x = Tensor::from(std::vector<float>{.9F, .2F, .1F, .1F, .8F, .3F}, {2, 3}), y = Tensor::from(std::vector<float>{1, 0, 0, 0, 1, 1}, {2, 3});
  const Logs logs = model.evaluate(x, y, {.batch_size = 1, .verbose = 0});
  EXPECT_NEAR(logs.at("binary_accuracy"), 5.0 / 6, 1e-7);
  EXPECT_EQ(logs.at("accuracy"), 1);
  EXPECT_EQ(logs.at("precision"), 1);
  EXPECT_EQ(logs.at("recall"), 1);
  EXPECT_EQ(logs.size(), 5U);
}

}  // namespace
}  // namespace linn
