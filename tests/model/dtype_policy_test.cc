// mixed_bfloat16: what it changes, what it leaves alone, and what it costs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/cpu.h"
#include "linn/linn.h"
#include "support/closeness.h"
#include "support/pixels.h"
#include "support/mnist.h"
#include "support/same_bits.h"
#include "support/source_tree.h"

namespace linn {
namespace {

using tests::mnist;
using tests::same_bits;

const DTypePolicy mixed = "mixed_bfloat16";

Sequential notebook(DTypePolicy policy, std::uint64_t seed = 0) {
  Sequential model({Conv2D(32, {3, 3}, {.activation = "relu", .input_shape = {28, 28, 1}}), MaxPooling2D({2, 2}),
                    Conv2D(32, {3, 3}, {.activation = "relu"}), MaxPooling2D({2, 2}), Flatten(), Dense(128, {.activation = "relu"}),
                    Dense(10, {.activation = "softmax"})},
                   {.seed = seed, .dtype_policy = policy});
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

// Convolutions that no 2x2 pooling follows: alone, strided, before windows that overlap, before a global pooling.
Sequential unpooled(DTypePolicy policy, std::uint64_t seed = 0) {
  Sequential model({Conv2D(16, {3, 3}, {.activation = "relu", .input_shape = {28, 28, 1}}),
                    Conv2D(24, {3, 3}, {.strides = 2, .padding = "same", .activation = "relu"}),
                    Conv2D(32, {3, 3}, {.padding = "same", .activation = "relu"}), MaxPooling2D({3, 3}, {.strides = 2}),
                    Conv2D(40, {3, 3}, {.activation = "relu"}), GlobalAveragePooling2D(), Dense(10, {.activation = "softmax"})},
                   {.seed = seed, .dtype_policy = policy});
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

void fit(Sequential& model, std::int64_t images, std::int64_t epochs = 1) {
  model.fit(tests::from_0_to_1(mnist()["x_train"].rows(0, images)), mnist()["y_train"].rows(0, images),
            {.batch_size = 128, .epochs = epochs, .verbose = Verbose::silent});
}

using Network = Sequential (*)(DTypePolicy, std::uint64_t);
constexpr Network networks[] = {notebook, unpooled};

class IsaGuard {
 public:
  ~IsaGuard() { detail::core::set_isa(before_); }

 private:
  detail::core::Isa before_ = detail::core::isa();
};

TEST(DTypePolicy, FloatIsTheDefaultAndComesBack) {
  Sequential model = notebook("float32");
  EXPECT_EQ(Sequential().dtype_policy(), DTypePolicy("float32"));
  const Tensor x = tests::from_0_to_1(mnist()["x_test"].rows(0, 50));
  const Tensor exact = model.predict(x);
  model.set_dtype_policy(mixed);
  const Tensor rounded = model.predict(x);
  const double distance = tests::relative_distance(rounded, exact);
  EXPECT_GT(distance, 1e-5) << "nothing was rounded";
  EXPECT_LT(distance, 0x1p-7);
  model.set_dtype_policy("float32");
  EXPECT_TRUE(same_bits({model.predict(x)}, {exact}));
}

// The gradients of every variable are near those of float32, with the instruction and without it. What is apart, up to 6 percent for this
// fresh network, are relus and maxima that changed hands more than roundings.
TEST(DTypePolicy, GradientsAreNearOnEveryInstructionSet) {
  const IsaGuard guard;
  const Tensor x = tests::from_0_to_1(mnist()["x_train"].rows(0, 64)), y = mnist()["y_train"].rows(0, 64);
  for (const Network network : networks) {
    const auto exact = network("float32", 0).gradients(x, y);
    for (const detail::core::Isa isa : detail::core::available_isas()) {
      if (isa == detail::core::Isa::scalar) continue;  // references round nothing
      detail::core::set_isa(isa);
      const auto rounded = network(mixed, 0).gradients(x, y);
      for (std::size_t i = 0; i < exact.size(); ++i) {
        const double distance = tests::relative_distance(rounded[i].second, exact[i].second);
        EXPECT_GT(distance, 1e-5) << exact[i].first << " on " << detail::core::name_of(isa);
        EXPECT_LT(distance, 0.1) << exact[i].first << " on " << detail::core::name_of(isa);
      }
    }
  }
}

// The weights and the optimizer's slots are float32 under either policy, so training goes on where it was.
TEST(DTypePolicy, ChangesInTheMiddleOfTraining) {
  Sequential steady = notebook("float32"), changing = notebook("float32");
  fit(steady, 512);
  fit(changing, 512);
  changing.set_dtype_policy(mixed);
  changing.evaluate(tests::from_0_to_1(mnist()["x_test"].rows(0, 100)), mnist()["y_test"].rows(0, 100), {.verbose = Verbose::silent});
  changing.set_dtype_policy("float32");
  fit(steady, 512);
  fit(changing, 512);
  EXPECT_TRUE(same_bits(steady.get_weights(), changing.get_weights()));
  changing.set_dtype_policy(mixed);
  fit(steady, 512);
  fit(changing, 512);
  EXPECT_FALSE(same_bits(steady.get_weights(), changing.get_weights()));
}

TEST(DTypePolicy, SameBitsOnAnyNumberOfThreads) {
  for (const Network network : networks) {
    std::vector<Tensor> first;
    for (const int threads : {1, 2, 3, 8}) {
      set_threads(threads);
      Sequential model = network(mixed, 0);
      fit(model, 700, 2);
      if (first.empty()) first = model.get_weights();
      EXPECT_TRUE(same_bits(model.get_weights(), first)) << threads << " threads";
    }
  }
  set_threads(2);
}

// What runs, as the profile names it.
TEST(DTypePolicy, ConvolutionsWithoutA2x2PoolingRoundTheirOperands) {
  if (detail::core::isa() == detail::core::Isa::scalar) GTEST_SKIP() << "references round nothing";
  const bool instruction = detail::core::isa() == detail::core::Isa::avx512_bf16;
  for (const bool training : {false, true}) {
    std::vector<std::string> names;
    for (const OpProfile& op : unpooled(mixed).profile({.training = training, .batch_size = 8, .steps = 1}).ops)
      names.push_back(op.implementation);
    // Whatever runs in float32 behind the rounding.
    const auto contains = [&](const std::string& kernel, const std::string& with, const std::string& without) {
      return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(kernel + (instruction ? with : without)); });
    };
    EXPECT_TRUE(contains("conv_forward", ".bf16", ".rounded_to_bf16"));
    // In training costs decide whether the pooling joins; a mean never does.
    EXPECT_TRUE(training || contains("conv_pool_forward", ".strip (bf16)", ".strip (rounded_to_bf16"));
    if (detail::core::cpu().l2_bytes >= 1 << 20) {  // smaller ones do not hold the weights that each strip reads
      EXPECT_EQ(contains("conv_global_pool_forward", ".strip (winograd_bf16)", ".strip (rounded_to_bf16"), !training);
    }
    EXPECT_EQ(contains("conv_input_gradient", ".bf16", ".rounded_to_bf16"), training);
    EXPECT_EQ(contains("conv_kernel_gradient", ".bf16", ".rounded_to_bf16"), training);
  }
}

TEST(DTypePolicy, APredictionDoesNotDependOnItsNeighbours) {
  const Tensor x = tests::from_0_to_1(mnist()["x_test"].rows(0, 37));
  for (const Network network : networks) {
    const Sequential model = network(mixed, 0);
    const Tensor all = model.predict(x);
    for (const std::int64_t batch : {1, 5, 8, 37})
      EXPECT_TRUE(same_bits({model.predict(x, {.batch_size = batch})}, {all})) << batch;
  }
}

TEST(DTypePolicy, IsNotSaved) {
  const std::string directory = testing::TempDir() + "linn_dtype_policy";
  Sequential model = notebook(mixed);
  model.save(directory);
  EXPECT_EQ(Sequential(load_model(directory)).dtype_policy(), DTypePolicy("float32"));
  EXPECT_EQ(model.to_json(), notebook("float32").to_json());
  std::filesystem::remove_all(directory);
}

// An epoch of the notebook in bfloat16 is as good as in float32, within 0.3 percent points of test accuracy (the seed moves it by 0.2).
TEST(DTypePolicy, FullNotebookEpochIsAsAccurate) {
  const auto accuracy = [](DTypePolicy policy) {
    Sequential model = notebook(policy);
    fit(model, 60000);
    return model.evaluate(tests::from_0_to_1(mnist()["x_test"]), mnist()["y_test"], {.batch_size = 256, .verbose = Verbose::silent})
        .at("accuracy");
  };
  const double exact = accuracy("float32");
  EXPECT_GT(exact, 0.97);
  EXPECT_GT(accuracy(mixed), exact - 0.003);
}

}  // namespace
}  // namespace linn
