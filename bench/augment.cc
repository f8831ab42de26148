// Images a second of each augmentation layer, and what augmentation costs the training of the notebook's network: the quickest of several
// runs, with and without it in turn, so that a busy host slows both alike. bench/augment_keras.py measures Keras's layers likewise.
//   ninja augment_bench && ./bench/augment_bench [THREADS]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>

#include "linn/linn.h"

namespace {

using namespace linn;

Sequential notebook() {
  Sequential model({Rescaling(1.0 / 255, {.input_shape = {28, 28, 1}}), Conv2D(32, {3, 3}, {.activation = "relu"}), MaxPooling2D({2, 2}),
                    Conv2D(32, {3, 3}, {.activation = "relu"}), MaxPooling2D({2, 2}), Flatten(), Dense(128, {.activation = "relu"}),
                    Dense(10, {.activation = "softmax"})});
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy"});
  return model;
}

Tensor random_bytes(const Shape& shape, unsigned most) {
  std::mt19937 engine(1);
  Tensor tensor(shape, DType::u8);
  for (std::uint8_t& value : tensor.values<std::uint8_t>()) value = static_cast<std::uint8_t>(engine() % most);
  return tensor;
}

template <class Call>
double seconds(const Call& call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template <class Call>
double quickest(int calls, const Call& call) {
  double best = 1e9;
  for (int i = 0; i < calls; ++i) best = std::min(best, seconds(call));
  return best;
}

void layers() {
  constexpr std::int64_t images = 4096;
  const Tensor gray = random_bytes({images, 28, 28, 1}, 256).astype(DType::f32),
               color = random_bytes({images, 32, 32, 3}, 256).astype(DType::f32);
  fmt::print("{:<22} {:>14} {:>14} images/s\n", "", "28x28x1", "32x32x3");
  for (const char* text :
       {"flip",         "translation:0.1", "rotation:0.1",    "zoom:0.2",         "shear:0.2",    "perspective:0.3", "elastic",
        "contrast:0.3", "brightness:0.2",  "grayscale",       "invert",           "erasing",      "sharpness:1",     "blur",
        "hue:0.2",      "saturation:0.5",  "posterization:4", "solarization:0.5", "autocontrast", "equalization",    "mixup",
        "cutmix",       "randaugment",     "augmix"}) {
    const Pipeline layer = parse_augmentation(text);
    const bool only_color = std::string_view(text).starts_with("hue") || std::string_view(text).starts_with("saturation");
    const auto rate = [&](const Tensor& x) { return static_cast<double>(images) / quickest(5, [&] { augment(layer, x); }); };
    fmt::print("{:<22} {:>14.0f} {:>14.0f}\n", text, only_color ? 0 : rate(gray), rate(color));
  }
}

void training() {
  const Tensor x = random_bytes({8192, 28, 28}, 256), y = random_bytes({8192}, 10);
  for (const char* text : {"translation:0.1", "translation:0.1,rotation:0.05,zoom:0.1"}) {
    Sequential plain = notebook(), augmented = notebook();
    const Layer layers = parse_augmentation(text);
    double best[2] = {1e9, 1e9};
    for (int i = 0; i < 6; ++i) {
      best[0] = std::min(best[0], seconds([&] { plain.fit(x, y, {.batch_size = 128, .verbose = 0}); }));
      best[1] = std::min(best[1], seconds([&] { augmented.fit(x, y, {.batch_size = 128, .verbose = 0, .augment = layers}); }));
    }
    fmt::print("training with {}: {:.0f} images/s in place of {:.0f}, {:.1f} % of the time\n", text, 8192 / best[1], 8192 / best[0],
               100 * (best[1] - best[0]) / best[1]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) set_threads(std::atoi(argv[1]));
  fmt::print("{} threads\n", threads());
  training();
  layers();
}
