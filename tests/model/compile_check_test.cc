// What compile says about losses that do not fit their outputs, and what fit refuses before the first step.
#include <gmock/gmock.h>

#include "linn/error.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/message_of.h"

namespace linn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using tests::message_of;

// What compile writes to standard error.
std::string said(const Layer& last, const Loss& loss, const std::vector<Metric>& metrics = {}) {
  const SymbolicTensor in = Input({4});
  Model model(in, last(in));
  ::testing::internal::CaptureStderr();
  model.compile({.optimizer = "sgd", .loss = loss, .metrics = metrics});
  return ::testing::internal::GetCapturedStderr();
}

TEST(CompileCheck, LossesThatFitAreNotSpokenOf) {
  EXPECT_EQ(said(Dense(3, {.activation = "softmax"}), "categorical_crossentropy"), "");
  EXPECT_EQ(said(Dense(3, {.activation = "sigmoid"}), "categorical_crossentropy"), "") << "probabilities that are scaled to 1";
  EXPECT_EQ(said(Dense(1, {.activation = "sigmoid"}), "binary_crossentropy"), "");
  EXPECT_EQ(said(Dense(3), losses::SparseCategoricalCrossentropy{.from_logits = true}), "");
  EXPECT_EQ(said(Dense(3), "mse"), "");
  EXPECT_EQ(said(Dense(1), "hinge"), "");
  EXPECT_EQ(said(Dense(3, {.activation = "tanh"}), "binary_crossentropy"), "") << "of which nothing is known";
}

TEST(CompileCheck, LogitsBehindAnActivationAreSpokenOf) {
  EXPECT_THAT(said(Dense(3, {.activation = "softmax", .name = "last"}), losses::CategoricalCrossentropy{.from_logits = true}),
              AllOf(HasSubstr("linn: compile: the loss categorical_crossentropy with from_logits"),
                    HasSubstr("layer \"last\" ends with a softmax"), HasSubstr("taken twice")));
  EXPECT_THAT(said(Dense(1, {.activation = "sigmoid"}), losses::BinaryFocalCrossentropy{.from_logits = true}),
              HasSubstr("ends with a sigmoid"));
}

TEST(CompileCheck, ProbabilitiesWithoutAnActivationAreSpokenOf) {
  EXPECT_THAT(said(Dense(3, {.name = "last"}), "sparse_categorical_crossentropy"),
              AllOf(HasSubstr("takes probabilities, but layer \"last\" ends with no activation"),
                    HasSubstr("give that layer a softmax, or the loss from_logits")));
  EXPECT_THAT(said(Dense(1, {.activation = "relu"}), "binary_crossentropy"), HasSubstr("ends with a relu; give that layer a sigmoid"));
  EXPECT_THAT(said(Dense(3), losses::Dice{}), HasSubstr("give that layer a sigmoid\n"));
}

TEST(CompileCheck, OneClassIsSpokenOf) {
  EXPECT_THAT(said(Dense(1, {.activation = "softmax"}), "binary_crossentropy"), HasSubstr("a softmax of one number, which is always 1"));
  EXPECT_THAT(said(Dense(1, {.activation = "sigmoid"}), "categorical_crossentropy"), HasSubstr("take binary_crossentropy"));
}

TEST(CompileCheck, LooksThroughLayersThatLeaveNumbersAsTheyAre) {
  const SymbolicTensor in = Input({4}), inner = Input({4});
  const Model head(inner, Dense(3, {.activation = "softmax", .name = "deep"})(inner));
  Model model(in, Dropout(0.5)(head(in)));
  ::testing::internal::CaptureStderr();
  model.compile({.optimizer = "sgd", .loss = losses::BinaryCrossentropy{.from_logits = true}});
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("layer \"deep\" ends with a softmax"));
}

TEST(CompileCheck, WhatCannotBeComputedIsRefused) {
  const auto refused = [](const Loss& loss, const std::vector<Metric>& metrics = {}) {
    return message_of<ValueError>([&] {
      const SymbolicTensor row = Input({4});
      Model(row, Dense(3)(row)).compile({.optimizer = "sgd", .loss = loss, .metrics = metrics});
    });
  };
  EXPECT_THAT(refused(losses::Dice{.axis = 2}), HasSubstr("axis 2 is none of the output's, which are 0 to 1"));
  EXPECT_THAT(refused(losses::Tversky{.axis = -2}), HasSubstr("axis -2 is the batch axis; call it 0"));
  EXPECT_THAT(refused("mse", {"sparse_categorical_accuracy"}), HasSubstr("compares with integer labels"));
  EXPECT_THAT(refused("mse", {"sparse_categorical_accuracy"}), HasSubstr("give compile CategoricalAccuracy, which compares with those"));
  EXPECT_THAT(refused("sparse_categorical_crossentropy", {"top_k_categorical_accuracy"}), HasSubstr("give compile SparseTopKCategoricalAccuracy,"));
  EXPECT_THAT(refused("mse", {metrics::Precision{.class_id = 3}}), HasSubstr("class_id is 3"));
  const SymbolicTensor in = Input({4, 4});
  Model model(in, Dense(2)(in));
  EXPECT_THAT(message_of<ValueError>([&] { model.compile({.optimizer = "sgd", .loss = losses::Circle{}}); }),
              HasSubstr("the output must be one vector an image"));
}

TEST(CompileCheck, TargetsThatDoNotFitAreRefusedBeforeTheFirstStep) {
  const SymbolicTensor in = Input({4});
  Model model(in, Dense(3, {.activation = "softmax"})(in));
  const Tensor x({2, 4});
  model.compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
  EXPECT_THAT(message_of<DataError>([&] {
                model.fit(x, Tensor::from(std::vector<std::int64_t>{0, 3}, {2}), {.verbose = 0});
              }),
              HasSubstr("label 3 of sample 1; the model has 3 classes"));
  EXPECT_THAT(message_of<ShapeError>([&] {
                model.fit(x, Tensor({2, 3}), {.verbose = 0});
              }),
              HasSubstr("for one-hot targets use categorical_crossentropy"));
  model.compile({.optimizer = "sgd", .loss = losses::CategoricalGeneralizedCrossEntropy{}});
  EXPECT_THAT(message_of<ShapeError>([&] {
                model.fit(x, Tensor({2, 3}), {.verbose = 0});
              }),
              HasSubstr("categorical_generalized_cross_entropy wants one label a sample"));
  model.compile({.optimizer = "sgd", .loss = "categorical_crossentropy"});
  EXPECT_THAT(message_of<ShapeError>([&] {
                model.fit(x, Tensor({2, 2}), {.verbose = 0});
              }),
              HasSubstr("categorical_crossentropy wants the output's shape, (None, 3)"));
  model.compile({.optimizer = "sgd", .loss = losses::Circle{}});
  EXPECT_THAT(message_of<DataError>([&] {
                model.fit(x, Tensor::from(std::vector<float>{0, 0.5F}, {2}), {.verbose = 0});
              }),
              HasSubstr("label 0.5 of sample 1"));
  model.fit(x, Tensor::from(std::vector<std::int64_t>{-7, 1000}, {2}), {.verbose = 0});
}

}  // namespace
}  // namespace linn
