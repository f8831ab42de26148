#include "shift/class_values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "linn/layers.h"
#include "linn/shift.h"

namespace linn::shift {
namespace {

Sequential one_output(const char* activation) {
  return Sequential(
      {Conv2D(3, 3, {.strides = 2, .activation = "relu", .input_shape = {12, 12, 1}}), Flatten(), Dense(1, {.activation = activation})});
}

std::vector<float> values_of(const Model& model, const std::vector<float>& outputs) {
  const Tensor values = ClassValues(model).of(Tensor::from(outputs, {static_cast<std::int64_t>(outputs.size()), 1}));
  EXPECT_EQ(values.shape(), (Shape{static_cast<std::int64_t>(outputs.size()), 2}));
  return {values.values<float>().begin(), values.values<float>().end()};
}

TEST(ClassValues, AProbabilityIsThatOfClassOne) {
  EXPECT_EQ(values_of(one_output("sigmoid"), {0.25F, 1}), (std::vector<float>{0.75F, 0.25F, 0, 1}));
}

TEST(ClassValues, ALogitIsSharedByBothClasses) {
  EXPECT_EQ(values_of(one_output("linear"), {3, -1}), (std::vector<float>{-1.5F, 1.5F, 0.5F, -0.5F}));
}

TEST(ClassValues, TheLossSaysWhatTheOutputIs) {
  Sequential model = one_output("linear");
  EXPECT_TRUE(gives_logits(model));
  model.compile({.loss = losses::BinaryCrossentropy({.from_logits = true})});
  EXPECT_TRUE(gives_logits(model));
  model.compile({.loss = "binary_crossentropy"});
  EXPECT_FALSE(gives_logits(model));
}

TEST(ClassValues, SeveralOutputsStayAsTheyAre) {
  const Sequential model({Flatten({.input_shape = {2, 2, 1}}), Dense(3)});
  const Tensor outputs = Tensor::from(std::vector<float>{1, 2, 3}, {1, 3});
  const ClassValues values(model);
  EXPECT_EQ(values.classes(), 3);
  EXPECT_EQ(values.of(outputs).values<float>()[2], 3);
}

// A sigmoid of z and a softmax of (0, z) are one classifier, by phases and shift by shift.
TEST(ClassValues, OneOutputMeasuresAsTwoDo) {
  const Sequential one = one_output("sigmoid");
  Sequential two(
      {Conv2D(3, 3, {.strides = 2, .activation = "relu", .input_shape = {12, 12, 1}}), Flatten(), Dense(2, {.activation = "softmax"})});
  std::vector<Tensor> weights = one.get_weights();
  Tensor kernel({weights[2].shape()[0], 2}), bias({2});
  for (std::int64_t i = 0; i < kernel.shape()[0]; ++i) {
    kernel.values<float>()[static_cast<std::size_t>(2 * i)] = 0;
    kernel.values<float>()[static_cast<std::size_t>(2 * i + 1)] = weights[2].values<float>()[static_cast<std::size_t>(i)];
  }
  bias.values<float>()[0] = bias.values<float>()[1] = 0;
  two.set_weights({weights[0], weights[1], kernel, bias});
  Tensor images({20, 12, 12, 1}), labels({20}, DType::i64);
  for (std::size_t i = 0; i < images.values<float>().size(); ++i)
    images.values<float>()[i] = static_cast<float>(std::sin(static_cast<double>(i * i % 977)));
  for (std::size_t i = 0; i < 20; ++i) labels.values<std::int64_t>()[i] = static_cast<std::int64_t>(i % 2);
  for (const bool phases : {true, false}) {
    const Sweep a = sweep(one, images, labels, {.radius = 2, .phases = phases}),
                b = sweep(two, images, labels, {.radius = 2, .phases = phases});
    EXPECT_EQ(a.classes(), 2);
    EXPECT_TRUE(a.predictions().probabilities);
    EXPECT_EQ(a.predictions().predicted, b.predictions().predicted);
    for (std::size_t i = 0; i < a.predictions().change.size(); ++i) {
      EXPECT_NEAR(a.predictions().change[i], b.predictions().change[i], 1e-5F);
      EXPECT_NEAR(a.predictions().label_value[i], b.predictions().label_value[i], 1e-5F);
    }
  }
  EXPECT_NEAR(protocol(one, images, "aps", {.passes = 2}).consistency.value, protocol(two, images, "aps", {.passes = 2}).consistency.value,
              1e-12);
}

}  // namespace
}  // namespace linn::shift
