// Models on data sets of batches: the same bits as on tensors, on any number of threads; epochs, validation, skipped images.
#include "linn/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/worker_pool.h"
#include "io/test_files.h"
#include "linn/data.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/same_bits.h"

namespace linn {
namespace {

using test::expect_error;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::int64_t pictures = 45;

Tensor picture_pixels(std::int64_t n = pictures) {
  Tensor x({n, 6, 5, 1}, DType::u8);
  std::uint32_t state = 12345;
  for (std::uint8_t& value : x.values<std::uint8_t>()) value = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return x;
}

Tensor picture_labels(std::int64_t n = pictures) {
  Tensor y({n}, DType::i64);
  std::int64_t i = 0;
  for (std::int64_t& label : y.values<std::int64_t>()) label = i++ * 7 % 3;
  return y;
}

Model picture_model(std::uint64_t seed = 11) {
  auto in = Input({6, 5, 1});
  auto x = Conv2D(4, 3, {.activation = "relu"})(Rescaling(1.0 / 255)(in));
  Model model(in, Dense(3, {.activation = "softmax"})(Dropout(0.2)(Flatten()(MaxPooling2D(2)(x)))), {.seed = seed});
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

Dataset shuffled(std::uint64_t seed = 11) { return Dataset::from_tensors(picture_pixels(), picture_labels()).shuffle({.seed = seed}).batch(8); }

void expect_equal_weights(const Model& a, const Model& b) { EXPECT_TRUE(tests::same_bits(a.get_weights(), b.get_weights())); }

TEST(ModelOnDataset, TrainsToTheBitsOfTensorsOnAnyNumberOfThreads) {
  Model whole = picture_model();
  whole.fit(picture_pixels(), picture_labels(), {.batch_size = 8, .epochs = 2, .verbose = 0});
  const History expected = whole.fit(picture_pixels(), picture_labels(), {.batch_size = 8, .epochs = 2, .verbose = 0});
  for (const int threads : {1, 2, 8}) {
    detail::core::set_threads(threads);
    for (const Dataset& data : {shuffled(), shuffled().prefetch({.threads = threads}),
                                Dataset::from_tensors(picture_pixels(), picture_labels()).cache().shuffle({.seed = 11}).batch(8).prefetch({.threads = threads})}) {
      Model model = picture_model();
      model.fit(data, {.epochs = 2, .verbose = 0});
      const History history = model.fit(data, {.epochs = 2, .verbose = 0});
      EXPECT_EQ(history.history, expected.history) << "the second fit goes on with new orders";
      EXPECT_FALSE(history.stopped);
      expect_equal_weights(model, whole);
    }
  }
  detail::core::set_threads(2);
}

TEST(ModelOnDataset, EpochsOfSomeStepsAreThoseOfTensors) {
  for (const std::int64_t steps : {4, 9}) {
    Model whole = picture_model(), model = picture_model();
    const History expected = whole.fit(picture_pixels(), picture_labels(), {.batch_size = 8, .epochs = 5, .verbose = 0, .steps_per_epoch = steps});
    const History history = model.fit(shuffled().prefetch(), {.epochs = 5, .verbose = 0, .steps_per_epoch = steps});
    EXPECT_EQ(history.history, expected.history);
    EXPECT_EQ(model.steps(), whole.steps());
    expect_equal_weights(model, whole);
  }
}

TEST(ModelOnDataset, GoesOnInDataWithoutEnd) {
  Model model = picture_model();
  const Dataset endless = Dataset::from_tensors(picture_pixels(), picture_labels()).shuffle({.seed = 1}).repeat().batch(8);
  const History history = model.fit(endless, {.epochs = 3, .verbose = 0, .steps_per_epoch = 4});
  EXPECT_THAT(history.epoch, ElementsAre(0, 1, 2));
  EXPECT_EQ(model.steps(), 12);
  Model flat = picture_model();
  flat.fit(endless.take(12), {.verbose = 0});
  expect_equal_weights(model, flat);
  expect_error<ValueError>([&] { model.fit(endless, {.verbose = 0}); }, {"fit: the Dataset has no end; give steps_per_epoch"});
  expect_error<ValueError>([&] { model.evaluate(endless, {.verbose = 0}); }, {"evaluate: the Dataset has no end; give steps"});
  expect_error<ValueError>([&] { model.predict(endless); }, {"predict: the Dataset has no end", "take(N)"});
}

TEST(ModelOnDataset, EvaluatesAndPredictsAsOnTensors) {
  Model model = picture_model();
  const Dataset data = Dataset::from_tensors(picture_pixels(), picture_labels()).batch(8);
  const Logs expected = model.evaluate(picture_pixels(), picture_labels(), {.batch_size = 8, .verbose = 0});
  EXPECT_EQ(model.evaluate(data, {.verbose = 0}), expected);
  EXPECT_EQ(model.evaluate(data.prefetch(), {.verbose = 0}), expected);
  EXPECT_EQ(model.evaluate(data, {.verbose = 0, .steps = 2}), model.evaluate(picture_pixels(16), picture_labels(16), {.batch_size = 8, .verbose = 0}));
  const Tensor predictions = model.predict(picture_pixels());
  EXPECT_TRUE(tests::same_bits(model.predict(data), predictions));
  EXPECT_TRUE(tests::same_bits(model.predict(Dataset::from_tensors(picture_pixels()).batch(40).prefetch()), predictions)) << "no targets are needed";
}

TEST(ModelOnDataset, ValidationMayBeADataset) {
  Model whole = picture_model(), model = picture_model();
  const FitOptions tensors{.batch_size = 8, .epochs = 4, .verbose = 0, .validation_data = {.x = picture_pixels(20), .y = picture_labels(20)}, .validation_freq = 2};
  const History expected = whole.fit(picture_pixels(), picture_labels(), tensors);
  const Dataset validation = Dataset::from_tensors(picture_pixels(20), picture_labels(20)).batch(8);
  const History history = model.fit(shuffled(), {.epochs = 4, .verbose = 0, .validation_data = {.dataset = validation}, .validation_freq = 2});
  EXPECT_EQ(history.history, expected.history);
  EXPECT_THAT(history["val_loss"], SizeIs(2));
  expect_error<ValueError>([&] { model.fit(shuffled(), {.verbose = 0, .validation_data = {.dataset = validation.repeat()}}); }, {"validation_data: the Dataset has no end; give validation_steps"});
  EXPECT_NO_THROW(model.fit(shuffled(), {.verbose = 0, .validation_data = {.dataset = validation.repeat()}, .validation_steps = 3}));
}

TEST(ModelOnDataset, TheFirstBatchBuildsAChain) {
  Sequential model({Conv2D(2, 3), Flatten(), Dense(3, {.activation = "softmax"})});
  model.compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
  model.fit(shuffled(), {.verbose = 0});
  EXPECT_EQ(model.input_shape(), (Shape{6, 5, 1}));
}

TEST(ModelOnDataset, ClassWeightsCountAsForTensors) {
  Model whole = picture_model(), model = picture_model();
  whole.fit(picture_pixels(), picture_labels(), {.batch_size = 8, .verbose = 0, .class_weight = {{1, 3.0}}});
  model.fit(shuffled(), {.verbose = 0, .class_weight = {{1, 3.0}}});
  expect_equal_weights(model, whole);
}

TEST(ModelOnDataset, WhatDoesNotGoTogetherIsRefused) {
  Model model = picture_model();
  const Dataset samples = Dataset::from_tensors(picture_pixels(), picture_labels());
  expect_error<ValueError>([&] { model.fit(samples, {.verbose = 0}); }, {"fit: the Dataset gives single samples; put .batch(32) behind it"});
  expect_error<ValueError>([&] { model.evaluate(samples, {.verbose = 0}); }, {"evaluate: the Dataset gives single samples"});
  expect_error<ValueError>([&] { model.predict(samples); }, {"predict: the Dataset gives single samples"});
  expect_error<ValueError>([&] { model.fit(shuffled(), {.verbose = 0, .validation_split = 0.5}); }, {"validation_split", "give validation_data"});
  expect_error<ValueError>([&] { model.fit(shuffled(), {.verbose = 0, .sample_weight = Tensor({45})}); }, {"sample_weight comes with the batches"});
  expect_error<DataError>([&] { model.fit(shuffled().take(0), {.verbose = 0}); }, {"holds no batch"});
  expect_error<DataError>([&] { model.predict(Dataset::from_generator([](Batch&) { return false; })); }, {"gave no batch"});
  expect_error<DataError>([&] { model.fit(Dataset::from_tensors(picture_pixels()).batch(8), {.verbose = 0}); }, {"y is empty"});
}

TEST(ModelOnDataset, AnErrorInTheBackgroundLeavesTheModelUsable) {
  Model model = picture_model();
  const Dataset data = Dataset::from_tensors(picture_pixels(), picture_labels()).map([](Batch element, const DatasetPosition& at) {
    if (at.epoch == 1 && at.index == 20) throw std::runtime_error("the disk is gone");
    return element;
  }).batch(8).prefetch({.threads = 4});
  try {
    model.fit(data, {.epochs = 3, .verbose = 0});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "the disk is gone");
  }
  EXPECT_EQ(model.steps(), 6 + 2);
  EXPECT_NO_THROW(model.fit(shuffled(), {.verbose = 0}));
}

// Twelve images in batches of two, of which one has no image that can be read.
class DamagedFolder {
 public:
  DamagedFolder() {
    const Tensor pixels = picture_pixels(12);
    for (std::int64_t i = 0; i < 12; ++i) {
      const std::string path = folder_ / (i % 2 == 0 ? "a" : "b");
      std::filesystem::create_directories(path);
      save_png(path + "/" + std::to_string(100 + i) + ".png", pixels.rows(i, i + 1).reshape({6, 5, 1}));
    }
    for (const int i : damaged) test::spill(folder_ / (i % 2 == 0 ? "a/" : "b/") + std::to_string(100 + i) + ".png", test::bytes("no image"));
  }
  Dataset batches(std::int64_t size) const { return Dataset::from_directory(folder_.path(), {.on_error = "skip"}).batch(size).prefetch({.threads = 2}); }

 private:
  static constexpr int damaged[] = {4, 5, 11};
  test::TempDir folder_;
};

TEST(ModelOnDataset, SkippedImagesMakeAnEpochShorter) {
  const DamagedFolder folder;
  Model model = picture_model();
  const Dataset data = folder.batches(2);
  EXPECT_EQ(data.cardinality(), 6);
  const History history = model.fit(data, {.epochs = 3, .verbose = 0});
  EXPECT_THAT(history.epoch, ElementsAre(0, 1, 2));
  EXPECT_FALSE(history.stopped);
  EXPECT_EQ(model.steps(), 3 * 5);
  EXPECT_EQ(data.skipped().count, 3);
  EXPECT_THAT(data.class_names(), ElementsAre("a", "b"));
  EXPECT_EQ(model.predict(data).shape(), (Shape{9, 3}));
}

TEST(ModelOnDataset, ARestOfSkippedImagesIsNoEpoch) {
  const DamagedFolder folder;
  Model model = picture_model();
  // Nine of twelve images can be read, the last cannot: after nine steps it alone is left of the pass.
  for (const std::int64_t steps : {3, 9}) {
    const History history = model.fit(folder.batches(1), {.epochs = 4, .verbose = 0, .steps_per_epoch = steps});
    EXPECT_FALSE(history.stopped);
    EXPECT_THAT(history.epoch, ElementsAre(0, 1, 2, 3));
  }
  EXPECT_EQ(model.steps(), 4 * 3 + 4 * 9);
}

TEST(ModelOnDataset, TheLineOfAnEpochShowsItsSteps) {
  Model model = picture_model();
  std::string text;
  model.fit(shuffled(), {.verbose = 1, .print_fn = [&](const std::string& piece) { text += piece; }});
  EXPECT_THAT(text, HasSubstr("6/6 ━"));
  text.clear();
  model.evaluate(shuffled(), {.verbose = 2, .print_fn = [&](const std::string& piece) { text += piece; }});
  EXPECT_THAT(text, HasSubstr("6/6 - "));
}

}  // namespace
}  // namespace linn
