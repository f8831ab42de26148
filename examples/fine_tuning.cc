// Fine-tuning: a network learns the digits 0 to 4; its convolutions, frozen, then serve a new network for the digits 5 to 9, of which there
// are only 500 images. At last all layers are trained a little.
//   example_fine_tuning data/mnist.npz
#include <cstdio>
#include <exception>
#include <vector>

#include "linn/linn.h"

namespace {

struct Set {
  linn::Tensor x, y;
};

// The first `most` images of the classes first..first + 4, with labels from 0.
Set classes_of(const linn::Tensor& x, const linn::Tensor& y, int first, std::int64_t most) {
  const auto pixels = x.values<std::uint8_t>(), labels = y.values<std::uint8_t>();
  const std::size_t size = 28 * 28;
  std::vector<std::uint8_t> images, kinds;
  for (std::size_t i = 0; i < labels.size() && static_cast<std::int64_t>(kinds.size()) < most; ++i) {
    if (labels[i] < first || labels[i] > first + 4) continue;
    images.insert(images.end(), pixels.begin() + static_cast<std::ptrdiff_t>(i * size), pixels.begin() + static_cast<std::ptrdiff_t>((i + 1) * size));
    kinds.push_back(static_cast<std::uint8_t>(labels[i] - first));
  }
  const auto n = static_cast<std::int64_t>(kinds.size());
  return {linn::Tensor::from(images, {n, 28, 28, 1}), linn::Tensor::from(kinds, {n})};
}

void compile(linn::Model& model) {
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
}

void run(const char* file) {
  auto data = linn::load_npz(file);
  const Set many = classes_of(data["x_train"], data["y_train"], 0, 20000), few = classes_of(data["x_train"], data["y_train"], 5, 500);
  const Set test = classes_of(data["x_test"], data["y_test"], 5, 10000);

  const auto in = linn::Input({28, 28, 1});
  auto x = linn::Conv2D(16, 3, {.activation = "relu"})(linn::Rescaling(1.0 / 255)(in));
  x = linn::Conv2D(32, 3, {.activation = "relu"})(linn::MaxPooling2D()(x));
  const auto features = linn::Flatten()(linn::MaxPooling2D()(x));
  linn::Model base(in, features, {.name = "base", .seed = 1});
  linn::Model first(in, linn::Dense(5, {.activation = "softmax"})(features), {.seed = 1});
  compile(first);
  first.fit(many.x, many.y, {.batch_size = 64, .epochs = 1, .verbose = 2});

  base.set_trainable(false);
  const auto image = linn::Input({28, 28, 1});
  linn::Model model(image, linn::Dense(5, {.activation = "softmax"})(base(image, {.training = false})), {.name = "tuned", .seed = 2});
  model.summary({.expand_nested = true, .show_trainable = true});
  compile(model);  // takes note of what is frozen
  model.fit(few.x, few.y, {.batch_size = 32, .epochs = 5, .verbose = 2});
  std::printf("accuracy with frozen convolutions %.4f\n", model.evaluate(test.x, test.y, {.verbose = 0}).at("accuracy"));

  base.set_trainable(true);
  compile(model);
  model.fit(few.x, few.y, {.batch_size = 32, .epochs = 3, .verbose = 2});
  std::printf("accuracy after fine-tuning %.4f\n", model.evaluate(test.x, test.y, {.verbose = 0}).at("accuracy"));
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
