// One network with two outputs: which digit an image shows, and how much ink it holds. Each output has a loss and a weight.
//   example_multi_output data/mnist.npz
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "linn/linn.h"

namespace {

// The mean of each image's pixels, between 0 and 1.
linn::Tensor ink_of(const linn::Tensor& images) {
  const auto pixels = images.values<std::uint8_t>();
  const std::int64_t n = images.shape()[0], size = images.elements() / n;
  std::vector<float> ink;
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < size; ++k) sum += pixels[static_cast<std::size_t>(i * size + k)];
    ink.push_back(static_cast<float>(sum) / static_cast<float>(255 * size));
  }
  return linn::Tensor::from(ink, {n, 1});
}

void run(const char* file) {
  auto data = linn::load_npz(file);
  const auto in = linn::Input({28, 28, 1});
  auto x = linn::Conv2D(16, 3, {.activation = "relu"})(linn::Rescaling(1.0 / 255)(in));
  x = linn::Flatten()(linn::MaxPooling2D()(x));
  const auto digit = linn::Dense(10, {.activation = "softmax", .name = "digit"})(x);
  const auto ink = linn::Dense(1, {.name = "ink"})(x);
  linn::Model model(in, {digit, ink}, {.name = "digit_and_ink", .seed = 1});
  model.summary();
  model.compile({.optimizer = "adam",
                 .loss = std::map<std::string, linn::Loss>{{"digit", "sparse_categorical_crossentropy"}, {"ink", "mse"}},
                 .loss_weights = std::map<std::string, double>{{"ink", 10}},
                 .metrics = std::map<std::string, std::vector<linn::Metric>>{{"digit", {"accuracy"}}}});
  const linn::Tensor x_train = data["x_train"].rows(0, 20000);
  model.fit(x_train, {data["y_train"].rows(0, 20000), ink_of(x_train)}, {.batch_size = 64, .epochs = 2, .verbose = 2});
  const auto logs = model.evaluate(data["x_test"], {data["y_test"], ink_of(data["x_test"])}, {.verbose = 0});
  std::printf("digit accuracy %.4f, mean squared error of ink %.6f\n", logs.at("digit_accuracy"), logs.at("ink_loss"));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? argv[1] : "data/mnist.npz");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
