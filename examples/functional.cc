// A residual network in the functional form: the value before a convolution is added to what comes out of it.
//   example_functional data/mnist.npz
#include <cstdio>
#include <exception>

#include "linn/linn.h"

namespace {

// Two convolutions whose result is added to what they began with.
linn::SymbolicTensor block(const linn::SymbolicTensor& x, std::int64_t filters) {
  auto y = linn::Conv2D(filters, 3, {.padding = "same", .use_bias = false})(x);
  y = linn::Activation("relu")(linn::BatchNormalization({.momentum = 0.9})(y));
  y = linn::Conv2D(filters, 3, {.padding = "same"})(y);
  return linn::Activation("relu")(linn::Add()({x, y}));
}

void run(const char* file) {
  auto data = linn::load_npz(file);
  const auto in = linn::Input({28, 28, 1});
  auto x = linn::Rescaling(1.0 / 255)(in);
  x = linn::MaxPooling2D()(linn::Conv2D(8, 3, {.padding = "same", .activation = "relu"})(x));
  x = linn::MaxPooling2D()(block(x, 8));
  x = linn::GlobalMaxPooling2D()(block(x, 8));
  linn::Model model(in, linn::Dense(10, {.activation = "softmax"})(x), {.name = "residual", .seed = 1});
  model.summary();
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  model.fit(data["x_train"].rows(0, 20000), data["y_train"].rows(0, 20000), {.batch_size = 64, .epochs = 2, .verbose = 2});
  const auto logs = model.evaluate(data["x_test"], data["y_test"], {.verbose = 0});
  std::printf("test accuracy %.4f\n", logs.at("accuracy"));
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
