// The notebook, in C++: load MNIST, build the network, print its summary, train it, ask it.
#include <cstdio>

#include "linn/linn.h"

int main(int argc, char** argv) {
  auto data = linn::load_npz(argc > 1 ? argv[1] : "data/mnist.npz");
  const linn::Tensor& x_train = data["x_train"];
  const linn::Tensor& y_train = data["y_train"];

  linn::Sequential model;
  // The notebook feeds pixels 0..255; a first layer that scales them learns faster.
  model.add(linn::Rescaling(1.0 / 255, {.input_shape = {28, 28, 1}}));
  model.add(linn::Conv2D(32, {3, 3}, {.padding = "valid", .activation = "relu"}));
  model.add(linn::MaxPooling2D({2, 2}, {.strides = 2, .padding = "valid"}));
  model.add(linn::Conv2D(32, {3, 3}, {.padding = "valid", .activation = "relu"}));
  model.add(linn::MaxPooling2D({2, 2}, {.strides = 2, .padding = "valid"}));
  model.add(linn::Flatten());
  model.add(linn::Dense(128, {.activation = "relu"}));
  model.add(linn::Dense(10, {.activation = "softmax"}));
  model.summary();

  model.compile({.optimizer = linn::optimizers::Adam(), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  auto history = model.fit(x_train, y_train, {.batch_size = 128, .epochs = 1, .validation_split = 0.1});
  std::printf("validation accuracy %.4f\n", history["val_accuracy"].back());

  const linn::Tensor probabilities = model.predict(data["x_test"].rows(0, 1));
  std::printf("the first test digit is a %d with probability %.3f\n", int(data["y_test"].values<std::uint8_t>()[0]),
              double(probabilities.values<float>()[data["y_test"].values<std::uint8_t>()[0]]));
}
