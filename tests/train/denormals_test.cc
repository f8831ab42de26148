// Numbers below 1.2e-38 are 0 in training, on every thread; in inference they are what they are.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "linn/layers.h"
#include "linn/model.h"
#include "support/same_bits.h"

namespace linn::denormals {
namespace {

using tests::same_bits;

Sequential decaying() {
  Sequential model({Dense(40'000, {.use_bias = false, .name = "out", .input_shape = {1}})}, {.seed = 1});
  model.compile({.optimizer = optimizers::SGD{.learning_rate = 1, .weight_decay = 0.5}, .loss = "mean_squared_error"});
  Tensor weight({1, 40'000});
  for (float& value : weight.values<float>()) value = 1e-37F;
  model.set_weights({weight});
  return model;
}

// The weights lose half of themselves in each step, and have no gradient, because the inputs are 0.
std::vector<float> after(Sequential& model, int steps) {
  const Tensor x({4, 1}), y({4, 40'000});
  for (int i = 0; i < steps; ++i) model.train_on_batch(x, y);
  const Tensor weight = model.get_weights()[0];
  return {weight.values<float>().begin(), weight.values<float>().end()};
}

#if defined(__x86_64__)
TEST(Denormals, TrainingTakesThemForZeroOnEveryThread) {
  for (const int threads : {1, 2, 5}) {
    set_threads(threads);
    Sequential model = decaying();
    for (const float value : after(model, 3)) ASSERT_EQ(value, 1e-37F / 8);
    for (const float value : after(model, 5)) ASSERT_EQ(value, 1e-37F / 8) << "what it would lose, 6.25e-39, is denormal: nothing";
  }
  set_threads(2);
}

TEST(Denormals, TheHostsModeComesBackAndDoesNotMatter) {
  const unsigned before = _mm_getcsr();
  std::vector<std::vector<Tensor>> weights;
  std::vector<double> losses;
  Tensor x({32, 5}), y({32, 2});
  float next = 0.01F;
  for (float& value : x.values<float>()) value = next = next > 1 ? next - 0.97F : next * 1.3F;
  for (const unsigned mode : {0x1f80U, 0x1f80U | 0x8040U, 0x1f80U | 0x6000U}) {  // default, flushing, towards zero
    _mm_setcsr(mode);
    Sequential model({Dense(16, {.activation = "relu", .input_shape = {5}}), Dense(2)}, {.seed = 3});
    model.compile({.optimizer = "adam", .loss = "mean_squared_error"});
    const History history = model.fit(x, y, {.batch_size = 8, .epochs = 2, .verbose = Verbose::silent});
    EXPECT_EQ(_mm_getcsr() & 0xffc0U, mode & 0xffc0U);
    _mm_setcsr(before);
    weights.push_back(model.get_weights());
    losses.push_back(history["loss"].back());
  }
  for (std::size_t i = 1; i < 3; ++i) {
    EXPECT_TRUE(same_bits(weights[i], weights[0])) << i;
    EXPECT_EQ(losses[i], losses[0]) << i;
  }
}
#endif

TEST(Denormals, InferenceKeepsThem) {
  Sequential model({Dense(1, {.use_bias = false, .input_shape = {1}})}, {.seed = 1});
  Tensor weight({1, 1}), x({1, 1});
  weight.values<float>()[0] = 1e-40F;
  x.values<float>()[0] = 2;
  model.set_weights({weight});
  EXPECT_EQ(model.predict(x).values<float>()[0], 2 * 1e-40F);
}

}  // namespace
}  // namespace linn::denormals
