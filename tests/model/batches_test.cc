// Training and evaluation on batches from a function, where text goes, and what is asked of a compiled model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/test_files.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/model.h"

namespace linn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t samples = 23;

Tensor inputs() {
  Tensor x({samples, 4});
  std::int64_t i = 0;
  for (float& value : x.values<float>()) value = static_cast<float>(i++ * 37 % 19) / 19.0F - 0.5F;
  return x;
}

Tensor sample_labels() {
  Tensor y({samples}, DType::i64);
  std::int64_t i = 0;
  for (std::int64_t& label : y.values<std::int64_t>()) label = i++ % 3;
  return y;
}

Model compiled_model() {
  auto in = Input({4});
  Model model(in, Dense(3, {.activation = "softmax"})(Dense(5, {.activation = "relu"})(in)), {.seed = 7});
  model.compile({.optimizer = optimizers::SGD{.learning_rate = 0.1, .momentum = 0.9}, .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

// Batches of 5 in order; the last has 3. `passes` of them come, then nothing.
struct InOrder {
  Tensor x = inputs(), y = sample_labels();
  std::int64_t next = 0;
  int passes = 1000;

  bool operator()(Batch& batch) {
    if (passes == 0) return false;
    if (next >= samples) {
      next = 0;
      --passes;
      return false;
    }
    const std::int64_t last = std::min(next + 5, samples);
    batch = {.x = x.rows(next, last), .y = y.rows(next, last)};
    next = last;
    return true;
  }
};

void expect_same_bits(const Model& a, const Model& b) {
  const auto left = a.get_weights(), right = b.get_weights();
  for (std::size_t i = 0; i < left.size(); ++i) {
    const auto l = left[i].values<float>(), r = right[i].values<float>();
    EXPECT_TRUE(std::equal(l.begin(), l.end(), r.begin())) << i;
  }
}

TEST(Batches, FitTakesTheStepsOfTheSameDataAsTensors) {
  Model whole = compiled_model(), parts = compiled_model();
  const History expected = whole.fit(inputs(), sample_labels(), {.batch_size = 5, .epochs = 3, .verbose = 0, .shuffle = false});
  const History history = parts.fit(Dataset::from_generator(InOrder()), {.epochs = 3, .verbose = 0});
  EXPECT_EQ(history.history, expected.history);
  EXPECT_FALSE(history.stopped);
  expect_same_bits(whole, parts);
}

TEST(Batches, ASourceThatSaysItsLengthIsNotAskedForMore) {
  int asked = 0;
  InOrder data;
  const auto next = [&](Batch& batch) {
    ++asked;
    return data(batch);
  };
  compiled_model().fit(Dataset::from_generator(next, 2), {.epochs = 2, .verbose = 0});
  EXPECT_EQ(asked, 4);
}

TEST(Batches, TrainingEndsWithTheData) {
  Model model = compiled_model();
  const History history = model.fit(Dataset::from_generator(InOrder{.passes = 2}), {.epochs = 5, .verbose = 0});
  EXPECT_THAT(history.epoch, ElementsAre(0, 1));
  EXPECT_TRUE(history.stopped);
  EXPECT_EQ(model.steps(), 10);
}

TEST(Batches, AnEpochThatDidNotGetItsStepsDoesNotCount) {
  const History history = compiled_model().fit(Dataset::from_generator(InOrder()), {.epochs = 1, .verbose = 0, .steps_per_epoch = 7});
  EXPECT_THAT(history.epoch, IsEmpty());
  EXPECT_TRUE(history.stopped);
}

TEST(Batches, EvaluateGivesWhatItGivesForTensors) {
  Model model = compiled_model();
  const Logs expected = model.evaluate(inputs(), sample_labels(), {.batch_size = 5, .verbose = 0});
  EXPECT_EQ(model.evaluate(Dataset::from_generator(InOrder()), {.verbose = 0}), expected);
  EXPECT_THROW(model.evaluate(Dataset::from_generator(InOrder{.passes = 0}), {.verbose = 0}), DataError);
}

TEST(Batches, ValidationMayComeFromAFunctionToo) {
  Model a = compiled_model(), b = compiled_model();
  const History expected = a.fit(inputs(), sample_labels(), {.batch_size = 5, .verbose = 0, .validation_data = {.x = inputs(), .y = sample_labels()}, .shuffle = false});
  const History history = b.fit(inputs(), sample_labels(), {.batch_size = 5, .verbose = 0, .validation_data = {.dataset = Dataset::from_generator(InOrder())}, .shuffle = false});
  EXPECT_DOUBLE_EQ(history["val_loss"].at(0), expected["val_loss"].at(0));
  EXPECT_THROW(b.fit(inputs(), sample_labels(), {.validation_data = {.x = inputs(), .y = sample_labels(), .dataset = Dataset::from_generator(InOrder())}}), ValueError);
}

TEST(Batches, BadOnesAreNamed) {
  Model model = compiled_model();
  EXPECT_THROW(model.fit(Dataset(), {.verbose = 0}), StateError);
  const auto wrong = [](Batch& batch) {
    batch = {.x = Tensor({2, 9}), .y = sample_labels().rows(0, 2)};
    return true;
  };
  EXPECT_THROW(model.fit(Dataset::from_generator(wrong), {.verbose = 0}), ShapeError);
  EXPECT_THROW(model.fit(Dataset::from_generator(InOrder()), {.verbose = 0, .validation_split = 0.5}), ValueError);
}

TEST(Output, TextGoesToTheFunctionThatWasGiven) {
  Model model = compiled_model();
  std::string text;
  const auto print = [&](const std::string& piece) { text += piece; };
  model.fit(inputs(), sample_labels(), {.epochs = 2, .verbose = 1, .print_fn = print});
  EXPECT_THAT(text, HasSubstr("Epoch 2/2\n"));
  EXPECT_THAT(text, HasSubstr("1/1 ━"));
  text.clear();
  model.fit(Dataset::from_generator(InOrder()), {.verbose = 1, .print_fn = print});
  EXPECT_THAT(text, HasSubstr("1/Unknown ━"));
  EXPECT_THAT(text, HasSubstr("5/5 ━"));
  text.clear();
  model.evaluate(inputs(), sample_labels(), {.verbose = 2, .print_fn = print});
  EXPECT_THAT(text, HasSubstr("1/1 - 0s"));
}

TEST(CompiledModel, NamesItsMetricsInTheOrderOfCompile) {
  Model model = compiled_model();
  model.compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy", .metrics = {"sparse_top_k_categorical_accuracy", "accuracy"}});
  EXPECT_THAT(model.metrics_names(), ElementsAre("loss", "sparse_top_k_categorical_accuracy", "accuracy"));
  auto in = Input({4});
  Model two(std::vector<SymbolicTensor>{in}, {Dense(3, {.name = "a"})(in), Dense(2, {.name = "b"})(in)});
  two.compile({.optimizer = "sgd", .loss = "mse", .metrics = std::map<std::string, std::vector<Metric>>{{"b", {"mae"}}}});
  EXPECT_THAT(two.metrics_names(), ElementsAre("loss", "a_loss", "b_loss", "b_mae"));
}

TEST(CompiledModel, LearningRateCanBeReadAndSet) {
  Model model = compiled_model(), slow = compiled_model();
  EXPECT_DOUBLE_EQ(model.learning_rate(), 0.1);
  slow.set_learning_rate(1e-30);
  EXPECT_DOUBLE_EQ(slow.learning_rate(), 1e-30);
  const auto before = slow.get_weights();
  slow.train_on_batch(inputs(), sample_labels());
  EXPECT_EQ(slow.get_weights()[0].values<float>()[0], before[0].values<float>()[0]);
  EXPECT_THROW(model.set_learning_rate(-0.1), ValueError);
  EXPECT_THROW(Sequential().set_learning_rate(1), StateError);
}

TEST(FrozenLayers, StayFrozenInConfigurationsFilesAndCopies) {
  const test::TempDir folder;
  const auto expect_frozen = [](const Model& model) {
    EXPECT_FALSE(model.get_layer("a").trainable());
    EXPECT_TRUE(model.get_layer("b").trainable());
  };
  auto in = Input({4});
  Layer a = Dense(3, {.name = "a"}), b = Dense(2, {.name = "b"});
  const Model inner(in, b(a(in)), {.name = "inner"});
  auto outer_in = Input({4});
  Model outer(outer_in, Dense(1, {.name = "c"})(inner(outer_in)));
  a.set_trainable(false);
  expect_frozen(Model::from_json(inner.to_json()));
  expect_frozen(Sequential::from_json(Sequential({InputLayer({4}), Dense(3, {.name = "a", .trainable = false}), Dense(2, {.name = "b"})}).to_json()));
  expect_frozen(inner.clone());
  for (const char* name : {"m.keras", "m.h5", "m"}) {
    inner.save(folder / name);
    expect_frozen(load_model(folder / name));
  }
  outer.save(folder / "outer.keras");
  EXPECT_EQ(load_model(folder / "outer.keras").count_trainable_params(), outer.count_trainable_params());
}

TEST(TensorOver, SharesMemoryAndKeepsItsOwner) {
  auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4, 5, 6, 7});
  const std::weak_ptr<std::vector<float>> watched = owner;
  // Off by one float: no kernel may count on the alignment of what a caller gives.
  Tensor tensor = Tensor::over(owner->data() + 1, {2, 3}, DType::f32, owner);
  owner.reset();
  EXPECT_EQ(tensor.values<float>()[5], 7);
  const Tensor row = tensor.rows(1, 2);
  tensor = Tensor();
  EXPECT_FALSE(watched.expired());
  EXPECT_EQ(row.values<float>()[0], 5);
  EXPECT_THROW(Tensor::over(nullptr, {1}, DType::f32, std::make_shared<int>(0)), ValueError);
}

TEST(TensorOver, PredictsTheSameFromAnyAlignment) {
  auto in = Input({11, 9, 3});
  const Model model(in, Dense(4)(GlobalAveragePooling2D()(Conv2D(8, 3, {.padding = "same"})(in))), {.seed = 1});
  auto bytes = std::make_shared<std::vector<float>>(2 * 11 * 9 * 3 + 1);
  for (std::size_t i = 0; i < bytes->size(); ++i) (*bytes)[i] = static_cast<float>(i % 7);
  const Tensor shifted = Tensor::over(bytes->data() + 1, {2, 11, 9, 3}, DType::f32, bytes);
  const Tensor a = model.predict(shifted), b = model.predict(shifted.clone());
  EXPECT_TRUE(std::equal(a.values<float>().begin(), a.values<float>().end(), b.values<float>().begin()));
}

}  // namespace
}  // namespace linn
