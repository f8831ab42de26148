// The networks against Keras's numbers: probabilities, loss, gradients, and weights after ten steps.
#include <gtest/gtest.h>

#include <cstring>

#include "linn/linn.h"
#include "support/closeness.h"
#include "support/pixels.h"
#include "support/mnist.h"
#include "support/source_tree.h"

namespace linn {
namespace {

using tests::find;
using tests::from_0_to_1;
using tests::golden;
using tests::mnist;


struct Net {
  std::string config;   // the configuration's file
  std::string weights;  // the start of the other files' names
  std::int64_t probabilities;
};

Sequential make(const Net& net, const Optimizer& optimizer) {
  Sequential model = Sequential::from_json(tests::text_of(golden(net.config)));
  model.load_weights(golden(net.weights + ".safetensors"));
  model.compile({.optimizer = optimizer, .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

class GoldenNets : public testing::TestWithParam<Net> {};

// Where names differ ("notebook_fresh" and "same_fresh", but "same_expect"), the file says so.
std::string expect_file(const Net& net, const std::string& what) {
  const std::string prefix = net.weights == "same_fresh" ? "same" : net.weights;
  return golden(prefix + '_' + what + ".safetensors");
}

TEST_P(GoldenNets, ProbabilitiesAgree) {
  const Sequential model = make(GetParam(), optimizers::Adam());
  const NamedTensors want = load_safetensors(expect_file(GetParam(), "expect"));
  const Tensor got = model.predict(from_0_to_1(mnist()["x_test"].rows(0, GetParam().probabilities)));
  EXPECT_TRUE(tests::near_everywhere(got, find(want, "probabilities"), 5e-6));
}

TEST_P(GoldenNets, LossAndGradientsAgree) {
  Sequential model = make(GetParam(), optimizers::Adam());
  const NamedTensors want = load_safetensors(expect_file(GetParam(), "expect"));
  const Tensor x = from_0_to_1(mnist()["x_train"].rows(0, 128));
  const Tensor y = mnist()["y_train"].rows(0, 128);
  const double loss = model.test_on_batch(x, y)["loss"];
  const double wanted = find(want, "loss").astype(DType::f64).values<double>()[0];
  EXPECT_NEAR(loss, wanted, 1e-5 * wanted);
  for (const auto& [name, gradient] : model.gradients(x, y))
    EXPECT_TRUE(tests::near_in_norm(gradient, find(want, "grad/" + name), 1e-5)) << name;
}

void expect_ten_steps(const Net& net, const Optimizer& optimizer, const std::string& what) {
  Sequential model = make(net, optimizer);
  const NamedTensors want = load_safetensors(expect_file(net, what));
  const Tensor losses = find(want, "losses").astype(DType::f64);
  for (std::int64_t step = 0; step < 10; ++step) {
    const Logs logs = model.train_on_batch(from_0_to_1(mnist()["x_train"].rows(128 * step, 128 * (step + 1))), mnist()["y_train"].rows(128 * step, 128 * (step + 1)));
    const double wanted = losses.values<double>()[static_cast<std::size_t>(step)];
    EXPECT_NEAR(logs.at("loss"), wanted, 1e-4 * wanted) << "step " << step;
  }
  for (const auto& [name, weight] : model.named_weights()) EXPECT_TRUE(tests::near_in_norm(weight, find(want, name), 1e-4)) << name;
}

TEST_P(GoldenNets, TenAdamStepsAgree) { expect_ten_steps(GetParam(), optimizers::Adam(), "adam"); }
TEST_P(GoldenNets, TenNesterovStepsAgree) {
  expect_ten_steps(GetParam(), optimizers::SGD({.learning_rate = 0.01, .momentum = 0.9, .nesterov = true}), "sgd");
}

INSTANTIATE_TEST_SUITE_P(Nets, GoldenNets,
                         testing::Values(Net{"notebook_config.json", "notebook_fresh", 256}, Net{"notebook_config.json", "notebook_trained", 256},
                                         Net{"same_config.json", "same_fresh", 64}),
                         [](const auto& info) { return info.param.weights; });

// ---- the same bits ---------------------------------------------------------------------------------------------

std::vector<Tensor> weights_after_training(int threads_used) {
  set_threads(threads_used);
  Sequential model = make({"same_config.json", "same_fresh", 64}, optimizers::Adam());
  model.fit(from_0_to_1(mnist()["x_train"].rows(0, 500)), mnist()["y_train"].rows(0, 500),
            {.batch_size = 70, .epochs = 2, .verbose = Verbose::silent});
  return model.get_weights();
}

TEST(SameBits, OnAnyNumberOfThreadsAndRunToRun) {
  const std::vector<Tensor> one = weights_after_training(1);
  for (const int count : {1, 2, 3, 8}) {
    const std::vector<Tensor> other = weights_after_training(count);
    for (std::size_t i = 0; i < one.size(); ++i)
      EXPECT_EQ(std::memcmp(one[i].raw(), other[i].raw(), one[i].bytes()), 0) << "variable " << i << " on " << count << " threads";
  }
  set_threads(2);
}

TEST(SameBits, APredictionDoesNotDependOnItsNeighbours) {
  const Sequential model = make({"notebook_config.json", "notebook_trained", 256}, optimizers::Adam());
  const Tensor x = from_0_to_1(mnist()["x_test"].rows(0, 37));
  const Tensor all = model.predict(x);
  for (const std::int64_t batch : {1, 5, 8, 37}) {
    const Tensor some = model.predict(x, {.batch_size = batch});
    EXPECT_EQ(std::memcmp(all.raw(), some.raw(), all.bytes()), 0) << "batch_size " << batch;
  }
}

}  // namespace
}  // namespace linn
