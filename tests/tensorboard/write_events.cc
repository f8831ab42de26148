// Trains a little with the callback TensorBoard into the directory that is named, and prints what the epochs logged: folder, tag, step,
// value. For read_with_tensorboard.py.
#include <fmt/format.h>

#include "linn/linn.h"

int main(int count, char** arguments) {
  if (count != 2) {
    fmt::print(stderr, "usage: {} DIRECTORY\n", arguments[0]);
    return 2;
  }
  linn::Tensor x({40, 3}), y({40, 1});
  for (std::size_t i = 0; i < 40; ++i) {
    for (std::size_t c = 0; c < 3; ++c) x.values<float>()[3 * i + c] = static_cast<float>((7 * i + 5 * c) % 11) / 11;
    y.values<float>()[i] = x.values<float>()[3 * i] > 0.5F ? 1 : 0;
  }
  linn::Sequential model;
  model.add(linn::Dense(1, {.activation = "sigmoid", .input_shape = {3}}));
  model.compile({.optimizer = "adam", .loss = "binary_crossentropy", .metrics = {"accuracy", linn::metrics::AUC{}}});
  const linn::History history = model.fit(x, y,
                                          {.batch_size = 8,
                                           .epochs = 3,
                                           .verbose = 0,
                                           .callbacks = {linn::callbacks::TensorBoard(arguments[1], {.update_freq = 2})},
                                           .validation_split = 0.2});
  for (const auto& [name, values] : history.history)
    for (std::size_t epoch = 0; epoch < values.size(); ++epoch) {
      const bool validation = name.starts_with("val_");
      fmt::print("{}\tepoch_{}\t{}\t{}\n", validation ? "validation" : "train", validation ? name.substr(4) : name, epoch, values[epoch]);
    }
}
