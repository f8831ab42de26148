// Steps of training and batches of prediction allocate nothing: every operator new of the process is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "linn/linn.h"

namespace {

std::atomic<std::int64_t> allocations{0};

void* counted(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  const std::size_t size = (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) { return counted(bytes, static_cast<std::size_t>(alignment)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace linn {
namespace {

// Notes the count after the first steps (work space, optimizer slots) and at the end of each step from then on.
class Count : public Callback {
 public:
  void on_batch_end(Trainer& trainer, const Logs& logs) override {
    EXPECT_TRUE(logs.contains("loss"));
    if (trainer.step() == 2) after_second = allocations;
    last = allocations;
    steps = trainer.step();
  }
  std::int64_t after_second = 0, last = 0, steps = 0;
};

Tensor images(std::int64_t count, std::int64_t size) {
  Tensor x({count, size, size, 1}, DType::u8);
  std::uint32_t state = 1;
  for (std::uint8_t& pixel : x.values<std::uint8_t>()) pixel = static_cast<std::uint8_t>((state = state * 1664525U + 1013904223U) >> 24);
  return x;
}

Tensor labels(std::int64_t count) {
  Tensor y({count}, DType::u8);
  std::uint8_t next = 0;
  for (std::uint8_t& label : y.values<std::uint8_t>()) label = static_cast<std::uint8_t>(next++ % 10);
  return y;
}

void expect_quiet_steps(Sequential& model, const FitOptions& wanted) {
  const auto count = std::make_shared<Count>();
  FitOptions options = wanted;
  options.callbacks = {count};
  options.verbose = Verbose::silent;
  model.fit(images(256, 14), labels(256), options);
  EXPECT_GE(count->steps, 8);
  EXPECT_EQ(count->last - count->after_second, 0) << "over " << count->steps - 2 << " steps";
}

Sequential small_net() {
  Sequential model;
  model.add(Rescaling(1.0 / 255, {.input_shape = {14, 14, 1}}));
  model.add(Conv2D(8, {3, 3}, {.activation = "relu"}));
  model.add(MaxPooling2D({2, 2}));
  model.add(BatchNormalization());
  model.add(Conv2D(12, {3, 3}, {.strides = 2, .padding = "same"}));
  model.add(BatchNormalization());
  model.add(Activation("relu"));
  model.add(Dropout(0.25));
  model.add(AveragePooling2D({2, 2}, {.strides = 1, .padding = "same"}));
  model.add(Flatten());
  model.add(Dense(16));
  model.add(BatchNormalization());
  model.add(Activation("tanh"));
  model.add(Dense(10, {.activation = "softmax"}));
  return model;
}

TEST(Allocation, TheCounterCounts) {
  const std::int64_t before = allocations;
  const auto number = std::make_unique<int>(1);
  EXPECT_EQ(allocations - before, 1) << *number;
}

TEST(Allocation, NoneInAStepOfFit) {
  for (const int threads : {1, 2, 3}) {
    set_threads(threads);
    Sequential model = small_net();
    model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
    expect_quiet_steps(model, {.batch_size = 24});  // the last batch is a part of one
  }
}

TEST(Allocation, NoneInAStepInBfloat16) {
  Sequential model = small_net();
  model.set_dtype_policy("mixed_bfloat16");
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  expect_quiet_steps(model, {.batch_size = 24});
}

TEST(Allocation, NoneWithScheduleAndWeights) {
  Sequential model = small_net();
  model.compile({.optimizer = optimizers::SGD({.learning_rate = optimizers::schedules::OneCycle({.max_learning_rate = 0.1}), .momentum = 0.9, .nesterov = true}),
                 .loss = "sparse_categorical_crossentropy",
                 .metrics = {"accuracy"}});
  expect_quiet_steps(model, {.batch_size = 32, .shuffle = false, .class_weight = {{1, 2.0}}});
}

Sequential polyphase_net() {
  Sequential model;
  model.add(AdaptivePolyphaseSampling2D({.input_shape = {28, 28, 1}}));
  model.add(Conv2D(8, 3, {.padding = "circular", .activation = "relu"}));
  model.add(LearnablePolyphaseSampling2D({.hidden_filters = 4}));
  model.add(GlobalAveragePooling2D());
  model.add(Dense(10, {.activation = "softmax"}));
  return model;
}

// Stripes, whose phases tie and are told apart by their content.
TEST(Allocation, NoneForPolyphaseSampling) {
  Sequential model = polyphase_net();
  Tensor x({256, 28, 28, 1}, DType::u8);
  std::int64_t i = 0;
  for (std::uint8_t& pixel : x.values<std::uint8_t>()) pixel = static_cast<std::uint8_t>(i / 2 % 2 ^ i / 28 % 2), ++i;
  const auto counted_call = [&](std::int64_t count) {
    const Tensor some = x.rows(0, count);
    const std::int64_t before = allocations;
    model.predict(some, {.batch_size = 16});
    return allocations - before;
  };
  counted_call(16);
  EXPECT_EQ(counted_call(16), counted_call(256));
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy"});
  const auto count = std::make_shared<Count>();
  model.fit(x, labels(256), {.batch_size = 24, .verbose = Verbose::silent, .callbacks = {count}});
  EXPECT_EQ(count->last - count->after_second, 0) << "over " << count->steps - 2 << " steps";
}

// What a call of predict allocates (its result, a plan) does not grow with the batches.
TEST(Allocation, NoneInABatchOfPredict) {
  const Sequential model = small_net();
  const Tensor x = images(256, 14);
  const auto counted_call = [&](std::int64_t count) {
    const Tensor some = x.rows(0, count);
    const std::int64_t before = allocations;
    model.predict(some, {.batch_size = 16});
    return allocations - before;
  };
  counted_call(16);
  EXPECT_EQ(counted_call(16), counted_call(256));
}

}  // namespace
}  // namespace linn
