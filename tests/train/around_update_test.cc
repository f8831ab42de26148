// What optimizers do around their updates, seen from models: accumulated gradients, moving averages and their callback, constraints, schedules.
#include <gmock/gmock.h>

#include <cmath>

#include "core/worker_pool.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/message_of.h"
#include "support/same_bits.h"

namespace linn {
namespace {

using ::testing::HasSubstr;
using tests::message_of;
using tests::same_bits;

Tensor numbers(const Shape& shape, double phase) {
  Tensor tensor(shape);
  std::size_t i = 0;
  for (float& value : tensor.values<float>()) value = static_cast<float>(std::sin(static_cast<double>(++i) * 0.7 + phase));
  return tensor;
}

Sequential net(const Optimizer& optimizer, const DenseOptions& first = {}) {
  DenseOptions options = first;
  options.input_shape = {5};
  Sequential model(ModelOptions{.seed = 3});
  model.add(Dense(7, options));
  model.add(Dense(2));
  model.compile({.optimizer = optimizer, .loss = "mean_squared_error"});
  return model;
}

std::vector<std::vector<float>> weights_of(const Sequential& model) {
  std::vector<std::vector<float>> all;
  for (const Tensor& weight : model.get_weights()) all.emplace_back(weight.values<float>().begin(), weight.values<float>().end());
  return all;
}

void expect_same(const Sequential& a, const Sequential& b) {
  const std::vector<Tensor> x = a.get_weights(), y = b.get_weights();
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_TRUE(same_bits(x[i], y[i])) << "weight " << i;
}

void expect_near(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b, double bound) {
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t k = 0; k < a[i].size(); ++k) EXPECT_NEAR(a[i][k], b[i][k], bound) << "weight " << i << ", " << k;
}

const Tensor x = numbers({12, 5}, 0), y = numbers({12, 2}, 1);
const FitOptions in_order{.batch_size = 4, .epochs = 1, .verbose = Verbose::silent, .shuffle = false};

TEST(Accumulation, ThreeBatchesAreOneLargeOne) {
  Sequential whole = net(optimizers::SGD{.learning_rate = 0.1, .momentum = 0.9});
  Sequential parts = net(optimizers::SGD{.learning_rate = 0.1, .momentum = 0.9, .gradient_accumulation_steps = 3});
  const std::vector<std::vector<float>> before = weights_of(parts);
  for (int epoch = 0; epoch < 3; ++epoch) {
    whole.train_on_batch(x, y);
    parts.fit(x, y, in_order);
  }
  expect_near(weights_of(whole), weights_of(parts), 1e-6);
  EXPECT_EQ(parts.steps(), 9);
  const std::vector<std::vector<float>> updated = weights_of(parts);
  parts.train_on_batch(x, y), parts.train_on_batch(x, y);
  EXPECT_EQ(weights_of(parts), updated);
  EXPECT_NE(before, updated);
}

// The average of the weights after each step by hand, which is what fit leaves.
TEST(MovingAverage, IsWhatFitLeaves) {
  const optimizers::SGD plain{.learning_rate = 0.2};
  optimizers::SGD averaged = plain;
  averaged.use_ema = true;
  averaged.ema_momentum = 0.5;
  Sequential by_hand = net(plain), model = net(averaged), stepped = net(averaged);
  std::vector<std::vector<float>> average;
  for (std::int64_t step = 0; step < 3; ++step) {
    Tensor part({4, 5}), target({4, 2});
    std::copy_n(x.values<float>().begin() + step * 20, 20, part.values<float>().begin());
    std::copy_n(y.values<float>().begin() + step * 8, 8, target.values<float>().begin());
    by_hand.train_on_batch(part, target);
    stepped.train_on_batch(part, target);
    const std::vector<std::vector<float>> now = weights_of(by_hand);
    if (step == 0) average = now;
    for (std::size_t i = 0; i < now.size(); ++i)
      for (std::size_t k = 0; k < now[i].size(); ++k) average[i][k] = 0.5f * average[i][k] + 0.5f * now[i][k];
  }
  expect_same(by_hand, stepped);
  model.fit(x, y, in_order);
  expect_near(weights_of(model), average, 1e-6);
  stepped.swap_ema_weights();
  expect_near(weights_of(stepped), average, 1e-6);
  stepped.swap_ema_weights();
  expect_same(by_hand, stepped);
}

TEST(MovingAverage, OverwritesTheWeights) {
  const optimizers::SGD rare{.learning_rate = 0.2, .use_ema = true, .ema_momentum = 0.5, .ema_overwrite_frequency = 2};
  Sequential model = net(rare);
  model.train_on_batch(x, y);
  model.train_on_batch(x, y);
  const std::vector<std::vector<float>> now = weights_of(model);
  model.swap_ema_weights();
  EXPECT_EQ(weights_of(model), now);
}

TEST(MovingAverage, NeedsItsOption) {
  Sequential without = net("sgd"), unstepped = net(optimizers::SGD{.use_ema = true});
  EXPECT_THAT(message_of<StateError>([&] { without.swap_ema_weights(); }), HasSubstr(".use_ema"));
  EXPECT_THAT(message_of<StateError>([&] { unstepped.swap_ema_weights(); }), HasSubstr("no step was taken"));
  callbacks::SwapEMAWeights callback;
  EXPECT_THAT(message_of<StateError>([&] { callback.on_test_begin(); }), HasSubstr("no fit is on"));
}

struct Losses : Callback {
  std::vector<double> validation;
  void on_test_end(const Logs& logs) override { validation.push_back(logs.find("loss")->second); }
};

// Validation sees the averages, and training goes on with the weights.
TEST(SwapEMAWeights, ValidatesWithTheAverages) {
  const optimizers::Adam optimizer{.learning_rate = 0.05, .use_ema = true, .ema_momentum = 0.9};
  for (const bool on_epoch : {false, true}) {
    Sequential plain = net(optimizer), swapped = net(optimizer), judge = net(optimizer);
    const auto losses = std::make_shared<Losses>();
    FitOptions options = in_order;
    options.epochs = 2;
    plain.fit(x, y, options);
    options.validation_data = {x, y};
    options.callbacks = {callbacks::SwapEMAWeights({.swap_on_epoch = on_epoch}), losses};
    swapped.fit(x, y, options);
    expect_same(plain, swapped);
    ASSERT_EQ(losses->validation.size(), 2u);
    judge.set_weights(plain.get_weights());  // the averages
    EXPECT_NEAR(losses->validation[1], judge.evaluate(x, y, {.verbose = Verbose::silent})["loss"], 1e-6) << on_epoch;
  }
}

double largest_norm(const std::vector<float>& kernel, std::size_t columns) {
  double largest = 0;
  for (std::size_t column = 0; column < columns; ++column) {
    double squares = 0;
    for (std::size_t i = column; i < kernel.size(); i += columns) squares += static_cast<double>(kernel[i]) * static_cast<double>(kernel[i]);
    largest = std::max(largest, std::sqrt(squares));
  }
  return largest;
}

TEST(Constrained, KernelAndBias) {
  Sequential free = net(optimizers::SGD{.learning_rate = 0.5});
  Sequential model = net(optimizers::SGD{.learning_rate = 0.5}, {.kernel_constraint = constraints::MaxNorm{.max_value = 0.5}, .bias_constraint = "non_neg"});
  for (int step = 0; step < 4; ++step) free.train_on_batch(x, y), model.train_on_batch(x, y);
  EXPECT_GT(largest_norm(weights_of(free)[0], 7), 0.6);
  EXPECT_LE(largest_norm(weights_of(model)[0], 7), 0.5 + 1e-5);
  EXPECT_GT(largest_norm(weights_of(model)[0], 7), 0.4);
  EXPECT_LT(*std::ranges::min_element(weights_of(free)[1]), 0);
  EXPECT_GE(*std::ranges::min_element(weights_of(model)[1]), 0);
}

TEST(Constrained, AxisMustFit) {
  const std::string message = message_of<ValueError>([] { net("sgd", {.bias_constraint = constraints::UnitNorm{.axis = 1}}); });
  EXPECT_THAT(message, HasSubstr("bias has shape (7,), which constraint UnitNorm does not fit: axis 1 is outside"));
  EXPECT_THAT(message_of<ValueError>([] { net("sgd", {.bias_regularizer = regularizers::OrthogonalRegularizer{}}); }), HasSubstr("2 axes"));
}

TEST(Schedule, AFunctionOfTheStep) {
  Sequential model = net(optimizers::SGD{.learning_rate = [](std::int64_t step) { return step == 0 ? 0.0 : 0.1; }});
  const std::vector<std::vector<float>> before = weights_of(model);
  model.train_on_batch(x, y);
  EXPECT_EQ(weights_of(model), before);
  model.train_on_batch(x, y);
  EXPECT_NE(weights_of(model), before);
  EXPECT_THAT(message_of<ValueError>([&] { model.save("/tmp/linn_function_schedule.keras"); }), HasSubstr("a file cannot hold"));
}

// The sums over whole variables and the products of Muon have the same bits on any number of threads.
TEST(Optimizers, SameBitsOnAnyNumberOfThreads) {
  const int threads = detail::core::worker_pool().threads();
  const std::vector<Optimizer> all{optimizers::Lamb{}, optimizers::Adafactor{}, optimizers::Muon{}, optimizers::Nadam{.global_clipnorm = 0.1}};
  for (const Optimizer& optimizer : all) {
    std::vector<std::vector<std::vector<float>>> results;
    for (const int count : {1, 3}) {
      detail::core::set_threads(count);
      Sequential model(ModelOptions{.seed = 3});
      model.add(Dense(130, {.kernel_constraint = constraints::MinMaxNorm{.min_value = 0.5, .axis = 1}, .input_shape = {200}}));
      model.add(Dense(3));
      model.compile({.optimizer = optimizer, .loss = "mean_squared_error"});
      for (int step = 0; step < 3; ++step) model.train_on_batch(numbers({9, 200}, 0), numbers({9, 3}, 1));
      results.push_back(weights_of(model));
    }
    EXPECT_EQ(results[0], results[1]) << optimizer.class_name();
  }
  detail::core::set_threads(threads);
}

}  // namespace
}  // namespace linn
