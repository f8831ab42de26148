// How much faster the notebook's network runs in mixed_bfloat16 than in float32: the quickest of many calls, the two taken in turn, so
// that a busy host slows both alike.
//   ninja precision_bench && ./bench/precision_bench [THREADS]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>

#include "linn/linn.h"

namespace {

using namespace linn;

Sequential notebook(DTypePolicy policy) {
  Sequential model({Rescaling(1.0 / 255, {.input_shape = {28, 28, 1}}), Conv2D(32, {3, 3}, {.activation = "relu"}), MaxPooling2D({2, 2}),
                    Conv2D(32, {3, 3}, {.activation = "relu"}), MaxPooling2D({2, 2}), Flatten(), Dense(128, {.activation = "relu"}),
                    Dense(10, {.activation = "softmax"})},
                   {.dtype_policy = policy});
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

// `work` of one model or the other.
template <class Work>
void compare(const char* what, std::int64_t images, int calls, const Work& work) {
  Sequential exact = notebook("float32"), rounded = notebook("mixed_bfloat16");
  double best[2] = {1e9, 1e9};
  for (int i = 0; i < calls; ++i) {
    best[0] = std::min(best[0], seconds([&] { work(exact); }));
    best[1] = std::min(best[1], seconds([&] { work(rounded); }));
  }
  const auto rate = [&](double time) { return static_cast<double>(images) / time; };
  fmt::print("{:<20} {:>10.0f} {:>10.0f} images/s, ratio {:.2f}\n", what, rate(best[0]), rate(best[1]), best[0] / best[1]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) set_threads(std::atoi(argv[1]));
  const Tensor x = random_bytes({256, 28, 28}, 256), y = random_bytes({256}, 10);
  fmt::print("{:<20} {:>10} {:>10}, {} threads\n", "", "float32", "bfloat16", threads());
  compare("train, batch 128", 128, 400,
          [&](Sequential& model) { model.train_on_batch(x.rows(0, 128), y.rows(0, 128)); });
  compare("predict, batch 256", 256, 400, [&](Sequential& model) { model.predict(x); });
  compare("predict, batch 1", 1, 4000,
          [&](Sequential& model) { model.predict(x.rows(0, 1), {.batch_size = 1}); });
}
