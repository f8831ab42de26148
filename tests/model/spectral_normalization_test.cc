// SpectralNormalization: steps of Keras, when the kernel changes and when it does not, files, and what is refused.
#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>

#include "io/json.h"
#include "linn/error.h"
#include "linn/layers.h"
#include "linn/linn.h"
#include "support/formula.h"
#include "support/message_of.h"
#include "support/network_steps.h"
#include "support/same_bits.h"

namespace linn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using tests::message_of;
using tests::same_bits;

TEST(SpectralNormalization, AsKeras) {
  const tests::NetworkSteps golden("spectral");
  EXPECT_GE(golden.cases().size(), 6U);
  for (const detail::io::Json& test : golden.cases()) golden.expect_as_keras(test);
}

Sequential wrapped_network() {
  Sequential model({SpectralNormalization(Conv2D(3, {3, 3}, {.activation = "relu"}), {.power_iterations = 2, .input_shape = {6, 5, 2}}),
                    Flatten(), SpectralNormalization(Dense(4)), Dense(2)});
  tests::set_formula_weights(model);
  model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = "mse"});
  return model;
}
Tensor spectral_images(std::uint32_t stream) { return tests::formula_values({19, 6, 5, 2}, stream, -1, 1); }
Tensor spectral_targets(std::uint32_t stream) { return tests::formula_values({19, 2}, stream, -1, 1); }

TEST(SpectralNormalization, ChangesTheKernelInTrainingStepsAlone) {
  Sequential model = wrapped_network();
  const std::vector<Tensor> before = model.get_weights();
  model.predict(spectral_images(1));
  model.evaluate(spectral_images(1), spectral_targets(2), {.verbose = 0});
  model.gradients(spectral_images(1), spectral_targets(2));
  EXPECT_TRUE(same_bits(model.get_weights(), before));
  model.compile({.optimizer = optimizers::SGD({.learning_rate = 1e-30}), .loss = "mse"});
  model.train_on_batch(spectral_images(1), spectral_targets(2));
  const std::vector<Tensor> after = model.get_weights();
  for (const std::size_t changed : {0, 1, 3, 4}) EXPECT_FALSE(same_bits(after[changed], before[changed])) << changed;
  for (const std::size_t kept : {2, 5, 6, 7}) EXPECT_TRUE(same_bits(after[kept], before[kept])) << kept;
}

// After many iterations the kernel's largest singular value is 1: no direction is made longer, and one keeps its length.
TEST(SpectralNormalization, LeavesTheLargestSingularValueAtOne) {
  Sequential model({SpectralNormalization(Dense(3, {.use_bias = false}), {.power_iterations = 200, .input_shape = {4}})});
  tests::set_formula_weights(model);
  model.compile({.optimizer = optimizers::SGD({.learning_rate = 1e-30}), .loss = "mse"});
  model.train_on_batch(tests::formula_values({2, 4}, 1, -1, 1), Tensor({2, 3}));
  const Tensor kernel = model.get_weights()[0];
  const auto w = kernel.values<float>();
  double longest = 0;
  for (int i = 0; i < 40; ++i)
    for (int j = 0; j < 80; ++j) {
      const double a = i * M_PI / 40, b = j * M_PI / 40, direction[] = {std::cos(a), std::sin(a) * std::cos(b), std::sin(a) * std::sin(b)};
      double squares = 0;
      for (std::size_t row = 0; row < 4; ++row) {
        double sum = 0;
        for (std::size_t c = 0; c < 3; ++c) sum += static_cast<double>(w[row * 3 + c]) * direction[c];
        squares += sum * sum;
      }
      longest = std::max(longest, std::sqrt(squares));
    }
  EXPECT_LE(longest, 1 + 1e-6);
  EXPECT_GE(longest, 0.99);
}

TEST(SpectralNormalization, SameBitsOnAnyNumberOfThreads) {
  std::vector<Tensor> first;
  for (const int threads : {1, 2, 3, 8}) {
    set_threads(threads);
    Sequential model = wrapped_network();
    for (std::uint32_t step = 0; step < 3; ++step) model.train_on_batch(spectral_images(10 + step), spectral_targets(20 + step));
    if (first.empty()) first = model.get_weights();
    EXPECT_TRUE(same_bits(model.get_weights(), first)) << threads << " threads";
  }
  set_threads(2);
}

// A layer that is called twice divides its kernel twice before a step, so that the last division is by what was left.
TEST(SpectralNormalization, OfALayerThatIsCalledTwice) {
  const auto kernel_after = [](int calls, std::int64_t iterations) {
    const SymbolicTensor x = Input({4});
    const SpectralNormalization layer(Dense(4), {.power_iterations = iterations});
    SymbolicTensor y = x;
    for (int i = 0; i < calls; ++i) y = layer(y);
    Model model({x}, {y});
    tests::set_formula_weights(model);
    model.compile({.optimizer = optimizers::SGD({.learning_rate = 1e-30}), .loss = "mse"});
    model.train_on_batch(tests::formula_values({3, 4}, 1, -1, 1), Tensor({3, 4}));
    return tests::values_of(model.get_weights()[1]);
  };
  EXPECT_TRUE(tests::agrees("vector_u", {1, 4}, kernel_after(2, 1), kernel_after(1, 2), {0, 1e-6}));
}

TEST(SpectralNormalization, FilesHoldWhatWasSaved) {
  Sequential model = wrapped_network();
  model.train_on_batch(spectral_images(1), spectral_targets(2));
  for (const char* ending : {".keras", ".h5", ".safetensors"}) {
    const std::string path = ::testing::TempDir() + "/spectral" + ending;
    model.save(path);
    Model again = load_model(path);
    EXPECT_TRUE(same_bits(again.get_weights(), model.get_weights())) << ending;
    EXPECT_EQ(again.to_json(), model.to_json()) << ending;
    std::filesystem::remove(path);
  }
}

TEST(SpectralNormalization, RefusesWhatItCannotNormalize) {
  EXPECT_THAT(message_of<ValueError>([] { SpectralNormalization(Dense(2), {.power_iterations = 0}); }),
              HasSubstr("power_iterations is 0; it must be 1 or more"));
  EXPECT_THAT(message_of<ValueError>([] {
                Sequential({SpectralNormalization(Flatten(), {.name = "s", .input_shape = {3, 4}})});
              }),
              AllOf(HasSubstr("[spectral_normalization 's'] layer is a Flatten, which has no variable \"kernel\""),
                    HasSubstr("Dense, EinsumDense, Conv1D")));
  EXPECT_THAT(message_of<ValueError>([] {
                Sequential({SpectralNormalization(SeparableConv2D(2, {3, 3}), {.input_shape = {6, 6, 2}})});
              }),
              HasSubstr("layer is a SeparableConv2D, which has no variable \"kernel\""));
  EXPECT_THAT(message_of<ValueError>([] { SpectralNormalization(Layer(SpectralNormalization(Dense(2)))); }),
              HasSubstr("give the layer that it wraps"));
  const Dense used(2, {.input_shape = {3}});
  const Sequential built({used});
  EXPECT_THAT(message_of<ValueError>([&] { const SpectralNormalization layer(used); }), HasSubstr("has variables already"));
  const auto read = [](const std::string& config) {
    return message_of<FormatError>([&] {
      Model::from_json(
          R"({"class_name": "Sequential", "config": {"name": "n", "layers": [{"class_name": "SpectralNormalization", "config": )" + config +
          "}]}}");
    });
  };
  EXPECT_THAT(read("{}"), HasSubstr("field \"layer\" is missing"));
  EXPECT_THAT(read(R"({"layer": 3})"), HasSubstr("a layer is allowed"));
  EXPECT_THAT(read(R"({"layer": {"class_name": "Dens", "config": {"units": 2}}})"),
              AllOf(HasSubstr("\"Dens\""), HasSubstr("did you mean")));
  EXPECT_THAT(read(R"({"layer": {"class_name": "Dense", "config": {"units": 2}}, "power_iterations": 0})"),
              HasSubstr("power_iterations is 0"));
}

}  // namespace
}  // namespace linn
