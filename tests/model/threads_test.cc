// set_threads may be called while models compute.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "linn/layers.h"
#include "linn/model.h"

namespace linn {
namespace {

TEST(Threads, ChangeWhileOthersPredict) {
  const int before = threads();
  const Sequential model({Conv2D(4, {3, 3}, {.activation = "relu", .input_shape = {10, 10, 1}}), MaxPooling2D({2, 2}), Flatten(), Dense(3)});
  Tensor x({40, 10, 10, 1});
  for (std::size_t i = 0; i < x.values<float>().size(); ++i) x.values<float>()[i] = static_cast<float>(i % 17) / 17;
  const Tensor expected = model.predict(x);
  std::atomic<bool> over{false};
  std::atomic<int> answers{0};
  std::vector<std::thread> users;
  for (int user = 0; user < 2; ++user)
    users.emplace_back([&] {
      while (!over.load() || answers.load() < 20) {
        const Tensor y = model.predict(x);
        EXPECT_EQ(std::memcmp(y.raw(), expected.raw(), y.bytes()), 0);
        answers.fetch_add(1);
      }
    });
  for (int i = 0; i < 40; ++i) set_threads(1 + i % 4);
  over.store(true);
  for (std::thread& user : users) user.join();
  set_threads(before);
}

}  // namespace
}  // namespace linn
