// What fit, evaluate and predict say to data that does not suit the model, and what they take that nearly does.
#include "train/samples.h"

#include <gtest/gtest.h>

#include <string>

#include "linn/linn.h"

namespace linn {
namespace {

Sequential model_of(const std::string& loss) {
  Sequential model({InputLayer({6, 6, 1}), Flatten(), Dense(4, {.activation = "softmax"})});
  model.compile({.optimizer = SGD(), .loss = loss});
  return model;
}

// An output of 6 rows of 4 classes: several predictions a sample.
Sequential rows_model() {
  Sequential model({InputLayer({6, 3}), Dense(4, {.activation = "softmax"})});
  model.compile({.optimizer = SGD(), .loss = "sparse_categorical_crossentropy"});
  return model;
}

Tensor labels(const std::vector<float>& values) { return Tensor::from(values, {static_cast<std::int64_t>(values.size())}); }

template <class Error>
std::string message_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no such error";
  return "";
}

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

}  // namespace
}  // namespace linn
