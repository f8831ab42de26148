// One network applied to two images, with one set of weights (a Siamese network): do both show the same digit?
//   example_shared_layers data/mnist.npz
#include <cstdio>
#include <exception>
#include <vector>

#include "linn/linn.h"

namespace {

struct Pairs {
  linn::Tensor first, second, same;
};

// Image i beside image i + 1, and, in every second pair, beside the next image of the same class.
Pairs pairs_of(const linn::Tensor& x, const linn::Tensor& y, std::int64_t count) {
  const auto labels = y.values<std::uint8_t>();
  std::vector<std::uint8_t> first, second;
  std::vector<float> same;
  const std::int64_t pixels = 28 * 28;
  for (std::int64_t i = 0; i < count; ++i) {
    auto other = static_cast<std::size_t>(i + 1);
    while (i % 2 == 0 && labels[other] != labels[static_cast<std::size_t>(i)]) ++other;
    const auto* images = x.values<std::uint8_t>().data();
    first.insert(first.end(), images + i * pixels, images + (i + 1) * pixels);
    second.insert(second.end(), images + static_cast<std::int64_t>(other) * pixels, images + static_cast<std::int64_t>(other + 1) * pixels);
    same.push_back(labels[other] == labels[static_cast<std::size_t>(i)] ? 1.0F : 0.0F);
  }
  return {linn::Tensor::from(first, {count, 28, 28, 1}), linn::Tensor::from(second, {count, 28, 28, 1}), linn::Tensor::from(same, {count, 1})};
}

void run(const char* file) {
  auto data = linn::load_npz(file);
  const auto image = linn::Input({28, 28, 1});
  auto x = linn::Conv2D(16, 3, {.activation = "relu"})(linn::Rescaling(1.0 / 255)(image));
  x = linn::Conv2D(16, 3, {.activation = "relu"})(linn::MaxPooling2D()(x));
  x = linn::Dense(32, {.activation = "relu"})(linn::Flatten()(linn::MaxPooling2D()(x)));
  const linn::Model encoder(image, x, {.name = "encoder", .seed = 1});

  const auto left = linn::Input({28, 28, 1}, {.name = "left"});
  const auto right = linn::Input({28, 28, 1}, {.name = "right"});
  auto both = linn::Concatenate()({encoder(left), encoder(right)});
  both = linn::Dense(64, {.activation = "relu"})(both);
  linn::Model model({left, right}, linn::Dense(1, {.activation = "sigmoid", .name = "same"})(both), {.name = "siamese", .seed = 2});
  model.summary({.expand_nested = true});
  model.compile({.optimizer = "adam", .loss = "mse", .metrics = {"binary_accuracy"}});
  const Pairs train = pairs_of(data["x_train"], data["y_train"], 20000), test = pairs_of(data["x_test"], data["y_test"], 4000);
  model.fit({train.first, train.second}, train.same, {.batch_size = 64, .epochs = 4, .verbose = 2});
  const auto logs = model.evaluate({test.first, test.second}, test.same, {.verbose = 0});
  std::printf("pairs told apart: %.4f\n", logs.at("binary_accuracy"));
  std::printf("numbers that describe an image: %s\n", encoder.predict(data["x_test"].rows(0, 1)).shape().to_string().c_str());
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
