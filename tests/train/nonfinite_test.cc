// NaN and infinities in training: the step stops before it writes, and says where they arose.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "linn/error.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/message_of.h"
#include "support/same_bits.h"

namespace linn::nonfinite {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using tests::message_of;
using tests::same_bits;

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr float infinite = std::numeric_limits<float>::infinity();

// Numbers about 0 of the size `size`.
Tensor waves(const Shape& shape, double size = 1) {
  Tensor tensor(shape);
  std::size_t i = 0;
  for (float& value : tensor.values<float>()) value = static_cast<float>(size * std::sin(static_cast<double>(++i) * 0.7));
  return tensor;
}

Tensor with_value(const Tensor& tensor, std::size_t at, float value) {
  Tensor changed = tensor.clone();
  changed.values<float>()[at] = value;
  return changed;
}

// A convolution, a normalization, two layers behind them, and an optimizer with slots.
Sequential net(const Optimizer& optimizer, const Loss& loss = "mean_squared_error") {
  Sequential model({Conv2D(4, 3, {.activation = "relu", .name = "conv", .input_shape = {6, 6, 1}}), BatchNormalization({.name = "norm"}), Flatten(),
                    Dense(8, {.activation = "relu", .name = "hidden"}), Dense(2, {.name = "out"})},
                   {.seed = 3});
  model.compile({.optimizer = optimizer, .loss = loss});
  return model;
}

const Tensor images = waves({32, 6, 6, 1}), targets = waves({32, 2}, 3);
const FitOptions quiet{.batch_size = 8, .epochs = 3, .verbose = Verbose::silent};

std::string fit_error(Model& model, const Tensor& x, const Tensor& y, const FitOptions& options = quiet) {
  return message_of<NonFiniteError>([&] { model.fit(x, y, options); });
}

// ---- the data ----

TEST(NonFinite, DataWithNaNIsRefusedBeforeTheFirstStep) {
  Sequential model = net("adam");
  const std::vector<Tensor> before = model.get_weights();
  const Tensor broken = with_value(with_value(images, 5 * 36 + 7, nan_value), 9 * 36, infinite);
  EXPECT_THAT(message_of<DataError>([&] { model.fit(broken, targets, quiet); }),
              AllOf(HasSubstr("x: sample 5 holds a value that is NaN"), HasSubstr("2 of 32 samples")));
  EXPECT_THAT(message_of<DataError>([&] { model.fit(images, with_value(targets, 6, -infinite), quiet); }),
              HasSubstr("y: sample 3 holds a value that is infinite"));
  Tensor wide = images.astype(DType::f64);
  wide.values<double>()[0] = 1e300;
  EXPECT_THAT(message_of<DataError>([&] { model.fit(wide, targets, quiet); }), HasSubstr("x: sample 0 holds a value that is too large for float32"));
  EXPECT_TRUE(same_bits(model.get_weights(), before));
  EXPECT_EQ(model.steps(), 0);
}

TEST(NonFinite, ValidationDataAreTheCallersOwn) {
  Sequential model = net("adam");
  FitOptions options = quiet;
  options.epochs = 1;
  options.validation_data = {.x = with_value(images, 0, nan_value), .y = targets};
  const History history = model.fit(images, targets, options);
  EXPECT_TRUE(std::isnan(history["val_loss"][0])) << "nothing is learned from them";
}

TEST(NonFinite, ABatchOfADataSetNamesItsImage) {
  Sequential model = net("adam");
  const std::vector<Tensor> before = model.get_weights();
  const Tensor broken = with_value(images, 3 * 36, nan_value);
  const std::string error = message_of<NonFiniteError>([&] { model.fit(Dataset::from_tensors(broken, targets).batch(8), quiet); });
  EXPECT_THAT(error, AllOf(HasSubstr("epoch 1, step 1 "), HasSubstr("x: sample 3 holds a value that is NaN"), HasSubstr("of 8 samples of the batch")));
  EXPECT_TRUE(same_bits(model.get_weights(), before));
}

// ---- the step ----

// The network with its slots after so many whole epochs, and the same with a step that fails behind them.
void expect_state_of_before(const Optimizer& optimizer, bool ends_with_averages = false) {
  Sequential failed = net(optimizer), whole = net(optimizer);
  FitOptions options = quiet;
  options.epochs = 1;
  failed.fit(images, targets, options);
  whole.fit(images, targets, options);
  const std::string error = message_of<NonFiniteError>([&] { failed.train_on_batch(with_value(images, 40, 1e38F), targets); });
  EXPECT_THAT(error, HasSubstr("weights and optimizer are as they were before this step"));
  EXPECT_TRUE(same_bits(failed.get_weights(), whole.get_weights())) << "variables and moving statistics";
  EXPECT_EQ(failed.steps(), whole.steps());
  if (ends_with_averages) return;
  failed.fit(images, targets, options);  // slots, steps and shuffle go on
  whole.fit(images, targets, options);
  EXPECT_TRUE(same_bits(failed.get_weights(), whole.get_weights())) << "slots";
}

TEST(NonFinite, VariablesStatisticsAndSlotsAreThoseOfBeforeTheStep) {
  expect_state_of_before(optimizers::SGD{.learning_rate = 0.01, .momentum = 0.9});
  expect_state_of_before("adam");
  expect_state_of_before(optimizers::Adam{.global_clipnorm = 1.0});
  expect_state_of_before(optimizers::Adam{.use_ema = true}, true);  // a fit ends with the averages
  expect_state_of_before(optimizers::SGD{.learning_rate = 0.01, .momentum = 0.9, .gradient_accumulation_steps = 2});
  expect_state_of_before("lamb");
  expect_state_of_before("rmsprop");
}

TEST(NonFinite, ADivergingTrainingSaysStepRateAndLayer) {
  Sequential model({Dense(16, {.name = "first", .input_shape = {5}}), Dense(16, {.name = "second"}), Dense(2, {.name = "last"})}, {.seed = 3});
  model.compile({.optimizer = optimizers::SGD{.learning_rate = 50}, .loss = "mean_squared_error"});
  const Tensor x = waves({32, 5}), y = waves({32, 2});
  std::int64_t steps = 0;
  FitOptions options = quiet;
  options.callbacks = {callbacks::LambdaCallback({.on_train_batch_end = [&](Trainer& trainer, const Logs& logs) {
    steps = trainer.total_steps();
    EXPECT_TRUE(std::isfinite(logs.at("loss")));
  }})};
  options.epochs = 100;
  const std::string error = fit_error(model, x, y, options);
  EXPECT_THAT(error, AllOf(HasSubstr(fmt::format("epoch {}, step {} (learning rate 50): ", steps / 4 + 1, steps % 4 + 1)), HasSubstr("clipnorm"),
                           HasSubstr("learning rate ten times smaller"), Not(HasSubstr("bfloat16"))));
  EXPECT_GT(steps, 0);
  EXPECT_EQ(model.steps(), steps);
  for (const Tensor& weight : model.get_weights())
    for (const float value : weight.values<float>()) EXPECT_TRUE(std::isfinite(value));
}

TEST(NonFinite, TheFirstLayerIsNamedWithItsImages) {
  Sequential model = net("sgd");
  std::vector<Tensor> weights = model.get_weights();
  for (Tensor& weight : weights)
    if (weight.shape() == Shape({64, 8}))
      for (float& value : weight.values<float>()) value = 1e38F;
  model.set_weights(weights);
  EXPECT_THAT(fit_error(model, images, targets),
              AllOf(HasSubstr("epoch 1, step 1 (learning rate 0.01)"), HasSubstr("the first layer whose output is not finite is Dense \"hidden\""), HasSubstr(" of 8 images")));
}

TEST(NonFinite, ALayerInsideAnInnerModelIsNamed) {
  const SymbolicTensor in = Input({4});
  const Model inner(in, Dense(3, {.name = "inside"})(in), {.name = "encoder"});
  const SymbolicTensor x = Input({4});
  Model model(x, Dense(2, {.name = "head"})(inner(x)), {.seed = 2});
  model.compile({.optimizer = "sgd", .loss = "mean_squared_error"});
  const Tensor data = with_value(waves({8, 4}), 9, 3e38F);
  std::vector<Tensor> weights = model.get_weights();
  for (float& value : weights[0].values<float>()) value = 1000;
  model.set_weights(weights);
  EXPECT_THAT(fit_error(model, data, waves({8, 2})), AllOf(HasSubstr("Dense \"inside\""), HasSubstr("in 1 of 8 images")));
}

TEST(NonFinite, WeightsThatWereBadBefore) {
  Sequential model = net("sgd");
  std::vector<Tensor> weights = model.get_weights();
  weights[0].values<float>()[3] = nan_value;
  model.set_weights(weights);
  EXPECT_THAT(fit_error(model, images, targets), HasSubstr("the weight \"conv/kernel\" holds 1 values that are NaN or infinite, which were there before this step"));
}

TEST(NonFinite, OutputsAreFiniteAndTheLossIsNot) {
  Sequential model({Dense(1, {.name = "out", .input_shape = {1}})}, {.seed = 1});
  model.compile({.optimizer = "sgd", .loss = "mean_squared_error"});
  EXPECT_THAT(fit_error(model, waves({8, 1}, 1e25), waves({8, 1})), HasSubstr("the outputs of all layers are finite, but the loss is not"));
}

// |p|^(1/2) at 0: its value is finite, its slope is not.
struct Root {
  double value(double /*t*/, double p) const { return std::sqrt(std::abs(p)); }
  double slope(double /*t*/, double p) const { return 0.5 / std::sqrt(std::abs(p)); }
};

TEST(NonFinite, TheGradientNearestToTheLossIsNamed) {
  Sequential model({Dense(3, {.name = "first", .input_shape = {2}}), Dense(1, {.name = "last"})}, {.seed = 1});
  model.compile({.optimizer = "sgd", .loss = Loss(Root{})});
  Tensor zeros({8, 2});
  const std::vector<Tensor> before = model.get_weights();
  EXPECT_THAT(fit_error(model, zeros, Tensor({8, 1})), HasSubstr("all outputs and the loss are finite, but the gradient of \"last/bias\" is not"));
  EXPECT_TRUE(same_bits(model.get_weights(), before));
}

TEST(NonFinite, StatisticsOfABatch) {
  Sequential model({BatchNormalization({.name = "norm", .input_shape = {2}}), Dense(1)}, {.seed = 1});
  model.compile({.optimizer = "sgd", .loss = "mean_squared_error"});
  const std::vector<Tensor> before = model.get_weights();
  EXPECT_THAT(fit_error(model, waves({8, 2}, 1e25), waves({8, 1})), HasSubstr("\"norm\""));
  EXPECT_TRUE(same_bits(model.get_weights(), before)) << "the moving variance did not become infinite";
}

// An epsilon that is 0 in float32: 0 / 0 for the weights that had no gradient yet.
TEST(NonFinite, AnUpdateThatMakesNaNOfFiniteGradients) {
  Sequential model({Dense(2, {.name = "out", .input_shape = {2}})}, {.seed = 1});
  model.compile({.optimizer = optimizers::Adam{.epsilon = 1e-60}, .loss = "mean_squared_error"});
  Tensor x = waves({8, 2});
  for (std::size_t i = 0; i < 16; i += 2) x.values<float>()[i] = 0;
  FitOptions options = quiet;
  bool is_saved = false;
  options.callbacks = {callbacks::LambdaCallback({.on_epoch_end = [&](Trainer&, const Logs&) { is_saved = true; }})};
  const std::string error = fit_error(model, x, waves({8, 2}), options);
  EXPECT_THAT(error, AllOf(HasSubstr("epoch 1, step 1 "), HasSubstr("the weight \"out/kernel\" holds 2 values that are NaN or infinite after this step"),
                           HasSubstr("load a saved model"), HasSubstr("epsilon")));
  EXPECT_FALSE(is_saved) << "no callback sees the end of the epoch";
  EXPECT_THAT(fit_error(model, x, waves({8, 2})), HasSubstr("which were there before this step"));
}

TEST(NonFinite, NoCallbackSavesWeightsThatAreNaN) {
  Sequential model({Dense(2, {.name = "out", .input_shape = {2}})}, {.seed = 1});
  model.compile({.optimizer = optimizers::Adam{.epsilon = 1e-60}, .loss = "mean_squared_error"});
  Tensor x = waves({8, 2});
  for (std::size_t i = 0; i < 16; i += 2) x.values<float>()[i] = 0;
  FitOptions options = quiet;
  options.batch_size = 4;
  options.callbacks = {callbacks::LambdaCallback({.on_train_batch_end = [&](Trainer& trainer, const Logs&) { trainer.save_weights("/nonexistent/weights.safetensors"); }})};
  EXPECT_THAT(fit_error(model, x, waves({8, 2}), options), HasSubstr("epoch 1, step 1 "));
}

TEST(NonFinite, MixedPrecisionIsAmongWhatToTry) {
  Sequential model = net("sgd");
  model.set_dtype_policy("mixed_bfloat16");
  const std::string error = message_of<NonFiniteError>([&] { model.train_on_batch(with_value(images, 40, 1e38F), targets); });
  EXPECT_THAT(error, HasSubstr("float32 in place of mixed_bfloat16"));
}

// ---- the options ----

TEST(NonFinite, IgnoredAsInKeras) {
  Sequential model = net("sgd");
  FitOptions options = quiet;
  options.on_nan = "ignore";
  const History history = model.fit(with_value(images, 0, nan_value), targets, options);
  EXPECT_TRUE(std::isnan(history["loss"].back()));
  EXPECT_TRUE(std::isnan(model.get_weights()[0].values<float>()[0]));
  Sequential other = net("sgd");
  EXPECT_TRUE(std::isnan(other.train_on_batch(with_value(images, 0, nan_value), targets, {.on_nan = "ignore"}).at("loss")));
  EXPECT_THAT(message_of<ValueError>([] { OnNaN(std::string("rais")); }), HasSubstr("on_nan is \"rais\" (did you mean \"raise\"?)"));
}

TEST(NonFinite, TheGuardChangesNoBitOnAnyNumberOfThreads) {
  std::vector<std::vector<Tensor>> weights;
  for (const int threads : {1, 2, 5})
    for (const char* on_nan : {"raise", "ignore"}) {
      set_threads(threads);
      Sequential model = net(optimizers::Adam{.clipnorm = 0.5, .use_ema = true});
      FitOptions options = quiet;
      options.on_nan = std::string(on_nan);
      options.augment = RandomTranslation(0.1, 0.1);
      model.fit(images, targets, options);
      weights.push_back(model.get_weights());
    }
  for (const std::vector<Tensor>& other : weights) EXPECT_TRUE(same_bits(other, weights[0]));
  set_threads(2);
}

TEST(NonFinite, TheMessageDoesNotDependOnThreads) {
  std::vector<std::string> errors;
  for (const int threads : {1, 3}) {
    set_threads(threads);
    Sequential model = net(optimizers::SGD{.learning_rate = 1e6});
    FitOptions options = quiet;
    options.epochs = 20;
    errors.push_back(fit_error(model, images, targets, options));
  }
  EXPECT_EQ(errors[0], errors[1]);
  set_threads(2);
}

}  // namespace
}  // namespace linn::nonfinite
