// A network with batch normalization in all its places against Keras's numbers, and what a user sees of it.
#include <gtest/gtest.h>

#include <filesystem>

#include "linn/linn.h"
#include "support/closeness.h"
#include "support/golden.h"
#include "support/pixels.h"
#include "support/mnist.h"
#include "support/same_bits.h"
#include "support/source_tree.h"

namespace linn {
namespace {

using tests::find;
using tests::from_0_to_1;
using tests::golden;
using tests::mnist;
using tests::near_everywhere;
using tests::near_in_norm;
using tests::same_bits;

constexpr std::int64_t batch = 64;

Tensor images_of(std::int64_t step) { return from_0_to_1(mnist()["x_train"].rows(batch * step, batch * (step + 1))); }
Tensor labels_of(std::int64_t step) { return mnist()["y_train"].rows(batch * step, batch * (step + 1)); }

Sequential normed(const Optimizer& optimizer = optimizers::Adam()) {
  Sequential model = Sequential::from_json(tests::golden_json("norm.json")["model"].dump());
  model.load_weights(golden("norm_fresh.safetensors"));
  model.compile({.optimizer = optimizer, .loss = losses::SparseCategoricalCrossentropy({.from_logits = true}), .metrics = {"accuracy"}});
  return model;
}

TEST(NormNet, LogitsAndGradientsAgree) {
  Sequential model = normed();
  const NamedTensors want = load_safetensors(golden("norm_expect.safetensors"));
  EXPECT_TRUE(near_everywhere(model.predict(from_0_to_1(mnist()["x_test"].rows(0, 32))), find(want, "logits"), 5e-6));
  std::size_t compared = 0;
  for (const auto& [name, gradient] : model.gradients(images_of(0), labels_of(0))) {
    EXPECT_TRUE(near_in_norm(gradient, find(want, "grad/" + name), 1e-5)) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 11U);
}

// Losses of training, all weights after ten steps, moving statistics among them, and what they predict.
void expect_ten_steps(const Optimizer& optimizer, const std::string& file) {
  Sequential model = normed(optimizer);
  const NamedTensors want = load_safetensors(golden(file));
  const Tensor losses = find(want, "losses").astype(DType::f64);
  for (std::int64_t step = 0; step < 10; ++step) {
    const double wanted = losses.values<double>()[static_cast<std::size_t>(step)];
    EXPECT_NEAR(model.train_on_batch(images_of(step), labels_of(step)).at("loss"), wanted, 1e-5 * wanted)
        << "step " << step;
  }
  for (const auto& [name, weight] : model.named_weights()) EXPECT_TRUE(near_in_norm(weight, find(want, name), 1e-5)) << name;
  EXPECT_TRUE(near_everywhere(model.predict(from_0_to_1(mnist()["x_test"].rows(0, 32))), find(want, "logits"), 1e-4));
}

TEST(NormNet, TenNesterovStepsAgree) {
  expect_ten_steps(optimizers::SGD({.learning_rate = 0.01, .momentum = 0.9, .nesterov = true}), "norm_sgd.safetensors");
}
TEST(NormNet, TenAdamStepsAgree) { expect_ten_steps(optimizers::Adam(), "norm_adam.safetensors"); }

TEST(NormNet, AskingForGradientsOrAPredictionChangesNothing) {
  Sequential model = normed();
  const std::vector<Tensor> before = model.get_weights();
  model.gradients(images_of(0), labels_of(0));
  model.evaluate(images_of(0), labels_of(0), {.verbose = Verbose::silent});
  model.predict(images_of(0));
  EXPECT_TRUE(same_bits(model.get_weights(), before));
}

TEST(NormNet, SameBitsOnAnyNumberOfThreads) {
  std::vector<Tensor> first;
  for (const int count : {1, 2, 3, 8}) {
    set_threads(count);
    Sequential model = normed();
    model.fit(from_0_to_1(mnist()["x_train"].rows(0, 300)), mnist()["y_train"].rows(0, 300),
              {.batch_size = 70, .epochs = 2, .verbose = Verbose::silent});
    if (first.empty()) first = model.get_weights();
    EXPECT_TRUE(same_bits(model.get_weights(), first)) << count << " threads";
  }
  set_threads(2);
}

// predict folds; layer_outputs keeps every layer's output, so it cannot.
TEST(NormNet, FoldedAgreesWithUnfoldedAndFollowsNewWeights) {
  Sequential model = normed();
  const Tensor x = from_0_to_1(mnist()["x_test"].rows(0, 32));
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(near_everywhere(model.predict(x), model.layer_outputs(x).back().second, 1e-5)) << round;
    if (round == 0) model.train_on_batch(images_of(0), labels_of(0));
    if (round == 1) {
      NamedTensors weights = model.named_weights();
      for (auto& [name, weight] : weights)
        if (name == "batch_normalization/moving_variance")
          for (float& value : weight.values<float>()) value *= 3;
      model.set_named_weights(weights);
    }
  }
}

TEST(NormNet, ModelComesBackFromItsFiles) {
  Sequential model = normed();
  model.fit(images_of(0), labels_of(0), {.batch_size = 16, .verbose = Verbose::silent});
  const std::string directory = (std::filesystem::path(testing::TempDir()) / "linn_norm_model").string();
  model.save(directory);
  const Sequential loaded = Sequential(load_model(directory));
  std::filesystem::remove_all(directory);
  EXPECT_TRUE(same_bits(loaded.get_weights(), model.get_weights()));
  EXPECT_EQ(loaded.to_json(), model.to_json());
  const Tensor x = from_0_to_1(mnist()["x_test"].rows(0, 5));
  EXPECT_TRUE(same_bits({loaded.predict(x)}, {model.predict(x)}));
  const auto weights = loaded.named_weights();
  EXPECT_EQ(weights[1].first, "batch_normalization/gamma");
  EXPECT_EQ(weights[2].first, "batch_normalization/beta");
  EXPECT_EQ(weights[3].first, "batch_normalization/moving_mean");
  EXPECT_EQ(weights[4].first, "batch_normalization/moving_variance");
}

// Frozen layers keep all four variables; the others learn.
TEST(NormNet, FrozenLayersStayAsTheyAre) {
  Sequential model({Conv2D(4, 3, {.input_shape = {28, 28, 1}}), BatchNormalization({.trainable = false}), Activation("relu"),
                    GlobalAveragePooling2D(), BatchNormalization(), Dense(10, {.activation = "softmax"})});
  model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = "sparse_categorical_crossentropy"});
  EXPECT_EQ(model.count_params() - model.count_trainable_params(), 4 * 4 + 2 * 4);
  const auto before = model.named_weights();
  model.train_on_batch(images_of(0), labels_of(0));
  const auto after = model.named_weights();
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_EQ(same_bits({before[i].second}, {after[i].second}), before[i].first.starts_with("batch_normalization/")) << before[i].first;
}

}  // namespace
}  // namespace linn
