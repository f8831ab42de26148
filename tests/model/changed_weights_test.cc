// Kernels are laid out once for many calls of `predict`; whatever changes the weights must be seen by the next call.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "linn/linn.h"
#include "support/same_bits.h"
#include "support/source_tree.h"

namespace linn {
namespace {

using tests::same_bits;

const Tensor& digit_images() {
  static const Tensor x = load_npz(tests::data_file("mnist.npz"))["x_train"].rows(0, 40);
  return x;
}
const Tensor& digit_labels() {
  static const Tensor y = load_npz(tests::data_file("mnist.npz"))["y_train"].rows(0, 40);
  return y;
}

// Every way of being laid out: packed for Winograd and for Dense, folded norms.
Sequential make(std::uint64_t seed, DTypePolicy policy = "float32") {
  Sequential model({.seed = seed, .dtype_policy = policy});
  model.add(Rescaling(1.0 / 255, {.input_shape = {28, 28, 1}}));
  model.add(Conv2D(16, {3, 3}, {.use_bias = false}));
  model.add(BatchNormalization());
  model.add(Activation("relu"));
  model.add(MaxPooling2D({2, 2}));
  model.add(Conv2D(16, {3, 3}, {.activation = "relu"}));
  model.add(MaxPooling2D({2, 2}));
  model.add(Flatten());
  model.add(Dense(10, {.activation = "softmax"}));
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy"});
  return model;
}

Tensor predicted(const Sequential& model) { return model.predict(digit_images(), {.batch_size = 16}); }

// What a model of the same weights says that has never predicted before.
Tensor predicted_anew(const Sequential& model) {
  Sequential fresh = make(99, model.dtype_policy());
  fresh.set_weights(model.get_weights());
  return predicted(fresh);
}

class ChangedWeights : public testing::TestWithParam<const char*> {
 protected:
  void expect_seen(const Sequential& model, const char* what) {
    const Tensor now = predicted(model);
    EXPECT_FALSE(same_bits(now, last_)) << what << " changed nothing";
    EXPECT_TRUE(same_bits(now, predicted_anew(model))) << what;
    last_ = now;
  }
  Sequential made() {
    Sequential model = std::string(GetParam()) == "float32" ? make(1) : make(1, "mixed_bfloat16");
    last_ = predicted(model);
    EXPECT_TRUE(same_bits(last_, predicted(model)));
    return model;
  }
  Tensor last_;
};

TEST_P(ChangedWeights, SetAndLoaded) {
  Sequential model = made();
  model.set_weights(make(2).get_weights());
  expect_seen(model, "set_weights");
  model.set_named_weights(make(3).named_weights());
  expect_seen(model, "set_named_weights");
  const std::string path = (std::filesystem::temp_directory_path() / ("linn_changed_weights_" + std::to_string(getpid()))).string();
  make(4).save_weights(path);
  model.load_weights(path);
  std::filesystem::remove(path);
  expect_seen(model, "load_weights");
}

TEST_P(ChangedWeights, Trained) {
  Sequential model = made();
  for (int step = 0; step < 2; ++step) {
    model.train_on_batch(digit_images(), digit_labels());
    expect_seen(model, "train_on_batch");
  }
  model.fit(digit_images(), digit_labels(), {.batch_size = 20, .verbose = Verbose::silent});
  expect_seen(model, "fit");
}

// In the middle of a training, where the plans that train and that predict work in turn.
TEST_P(ChangedWeights, InACallback) {
  Sequential model = made();
  struct Watch final : Callback {
    void on_train_batch_end(Trainer&, const Logs&) override { seen.push_back(predicted(*model)), wanted.push_back(predicted_anew(*model)); }
    const Sequential* model = nullptr;
    std::vector<Tensor> seen, wanted;
  };
  const auto watch = std::make_shared<Watch>();
  watch->model = &model;
  model.fit(digit_images(), digit_labels(), {.batch_size = 10, .verbose = Verbose::silent, .callbacks = {watch}, .validation_split = 0.25});
  ASSERT_EQ(watch->seen.size(), 3U);
  for (std::size_t i = 0; i < watch->seen.size(); ++i) EXPECT_TRUE(same_bits(watch->seen[i], watch->wanted[i])) << "after batch " << i;
}

// The loss that `evaluate` gives follows the weights too, its plan being kept as well.
TEST_P(ChangedWeights, Evaluated) {
  Sequential model = made();
  const auto loss = [&](Sequential& of) { return of.evaluate(digit_images(), digit_labels(), {.verbose = Verbose::silent}).at("loss"); };
  const double before = loss(model);
  model.set_weights(make(5).get_weights());
  Sequential fresh = made();
  fresh.set_weights(model.get_weights());
  EXPECT_NE(loss(model), before);
  EXPECT_EQ(loss(model), loss(fresh));
}

INSTANTIATE_TEST_SUITE_P(Policies, ChangedWeights, testing::Values("float32", "mixed_bfloat16"), [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace linn
