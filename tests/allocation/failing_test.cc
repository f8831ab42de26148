// Memory runs out at each call for it, in loading, saving, the first step of training and prediction: once, and from that call on. Every time there is
// an error that says so, or success; nothing stays behind, files hold the old model or the new one, and what was at work can be used again.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>

#include "io/json.h"
#include "io/test_files.h"
#include "linn/linn.h"

#ifdef __GLIBC__

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {

// What stands between the program, with its libraries, and glibc's memory.
namespace memory {
std::atomic<std::int64_t> calls{0}, fails_at{0}, living{0};
std::atomic<bool> for_ever{false}, failed{false};

bool fails() {
  const std::int64_t number = ++calls, at = fails_at;
  if (at == 0 || (for_ever ? number < at : number != at)) return false;
  failed = true;
  errno = ENOMEM;
  return true;
}

void* counted(void* got) {
  living += got != nullptr;
  return got;
}

void arm(std::int64_t at, bool from_then_on) {
  calls = 0;
  failed = false;
  for_ever = from_then_on;
  fails_at = at;
}
void disarm() { fails_at = 0; }
}  // namespace memory

}  // namespace

extern "C" {

void* malloc(std::size_t bytes) { return memory::fails() ? nullptr : memory::counted(__libc_malloc(bytes)); }
void* calloc(std::size_t count, std::size_t bytes) { return memory::fails() ? nullptr : memory::counted(__libc_calloc(count, bytes)); }
void* realloc(void* old, std::size_t bytes) {
  if (memory::fails()) return nullptr;
  void* const got = __libc_realloc(old, bytes);
  memory::living += (got != nullptr && old == nullptr) - (got == nullptr && old != nullptr && bytes == 0);
  return got;
}
void* memalign(std::size_t alignment, std::size_t bytes) { return memory::fails() ? nullptr : memory::counted(__libc_memalign(alignment, bytes)); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) {
  void* const got = memalign(alignment, bytes);
  if (got == nullptr) return ENOMEM;
  *out = got;
  return 0;
}
void free(void* piece) {
  memory::living -= piece != nullptr;
  __libc_free(piece);
}

}  // extern "C"

namespace linn {
namespace {

Sequential network(std::int64_t seed) {
  Sequential model({Rescaling(1.0 / 255, {.name = "scale", .input_shape = {8, 8, 1}}), Conv2D(4, {3, 3}, {.activation = "relu", .name = "conv"}),
                    BatchNormalization({.name = "norm"}), MaxPooling2D({2, 2}, {.name = "pool"}), Dropout(0.25, {.name = "drop"}), Flatten({.name = "flat"}),
                    Dense(4, {.activation = "softmax", .name = "out"})},
                   {.name = "net", .seed = static_cast<std::uint64_t>(seed)});
  return model;
}

void compile(Model& model) {
  model.compile({.optimizer = optimizers::Adam(), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
}

Tensor pictures() {
  Tensor x({16, 8, 8, 1}, DType::u8);
  std::uint32_t state = 1;
  for (std::uint8_t& pixel : x.values<std::uint8_t>()) pixel = static_cast<std::uint8_t>((state = state * 1664525U + 1013904223U) >> 24);
  return x;
}

Tensor classes() {
  Tensor y({16}, DType::u8);
  std::uint8_t next = 0;
  for (std::uint8_t& label : y.values<std::uint8_t>()) label = next++ % 4;
  return y;
}

FitOptions one_step() { return {.batch_size = 16, .epochs = 1, .verbose = Verbose::silent}; }

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.values<float>(), b.values<float>());
}

enum class Outcome { success, out_of_memory };

// One attempt with memory that runs out at call `at`. Whatever is thrown must say that there is no memory.
Outcome attempt(std::int64_t at, bool for_ever, const std::function<void()>& operation) {
  std::string said;
  Outcome outcome = Outcome::success;
  memory::arm(at, for_ever);
  try {
    operation();
    memory::disarm();
  } catch (const std::bad_alloc&) {
    memory::disarm();
    outcome = Outcome::out_of_memory;
  } catch (const std::exception& error) {
    memory::disarm();
    outcome = Outcome::out_of_memory;
    said = error.what();
    EXPECT_TRUE(said.find("memory") != std::string::npos || said.find("could not be allocated") != std::string::npos) << "call " << at << ": " << said;
  }
  return outcome;
}

// Runs `operation` with memory that runs out at call 1, 1 + stride, ... until it needs no more, and `check` after each attempt.
void sweep(std::int64_t stride, const std::function<void()>& operation, const std::function<void(Outcome)>& check) {
  for (int i = 0; i < 3; ++i) {  // what is made at first use and stays
    operation();
    check(Outcome::success);
  }
  memory::arm(0, false);
  operation();
  const std::int64_t calls = memory::calls;
  check(Outcome::success);
  EXPECT_GT(calls, 5);
  std::int64_t failures = 0;
  for (const bool for_ever : {false, true}) {
    for (std::int64_t at = 1; at <= calls; at += stride) {
      std::int64_t before = memory::living;
      Outcome outcome = attempt(at, for_ever, operation);
      if (memory::living != before) {  // what is made at the first error of its kind stays; what stays each time is lost
        before = memory::living;
        outcome = attempt(at, for_ever, operation);
      }
      EXPECT_EQ(memory::living - before, 0) << "call " << at << (for_ever ? " and all later ones" : "") << " of " << calls << ": memory stays behind";
      failures += outcome == Outcome::out_of_memory;
      check(outcome);
      if (testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(failures, calls / stride) << "memory that is not there was noticed";
}

class Failing : public testing::Test {
 protected:
  Failing() { set_threads(2); }

  // Every `stride`-th call of each.
  void load(std::int64_t stride) const {
    const Sequential model = network(1);
    const Tensor expected = model.predict(pictures());
    testing::internal::CaptureStderr();
    for (const char* kind : {"m.keras", "m.h5", "m.safetensors", "m"}) {
      SCOPED_TRACE(kind);
      const std::string path = folder_ / kind;
      model.save(path);
      sweep(stride, [&] { load_model(path); },
            [&](Outcome) { ASSERT_TRUE(same(load_model(path).predict(pictures()), expected)); });
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "a self-test without memory is none that failed";
  }

  void save(std::int64_t stride) const {
    const Sequential old_model = network(1), new_model = network(2);
    for (const char* kind : {"m.keras", "m.h5", "m.safetensors", "m.weights.h5", "m.npz"}) {
      SCOPED_TRACE(kind);
      const test::TempDir alone;
      const std::string path = alone / kind;
      const auto write = [&](const Model& model) {
        const bool weights = std::string(kind) == "m.weights.h5" || std::string(kind) == "m.npz";
        weights ? model.save_weights(path) : model.save(path);
      };
      write(new_model);
      const test::Bytes new_file = test::slurp(path);
      write(old_model);
      const test::Bytes old_file = test::slurp(path);
      ASSERT_NE(old_file, new_file);
      sweep(stride, [&] { write(new_model); },
            [&](Outcome outcome) {
              const test::Bytes now = test::slurp(path);
              ASSERT_TRUE(now == new_file || (outcome == Outcome::out_of_memory && now == old_file));
              ASSERT_EQ(alone.names().size(), 1U);
              test::spill(path, old_file);
            });
    }
  }

  void first_step(std::int64_t stride) const {
    const Tensor x = pictures(), y = classes();
    Sequential whole = network(1);
    compile(whole);
    whole.fit(x, y, one_step());
    const Tensor expected = whole.predict(x);
    std::unique_ptr<Sequential> model;
    sweep(
        stride,
        [&] {
          // In the sweep's count of memory the model comes and goes with the attempt.
          Sequential fresh = network(1);
          compile(fresh);
          fresh.fit(x, y, one_step());
        },
        [](Outcome) {});
    // After a failure the model can be used and trained: without memory for the plan or the first batch nothing was changed.
    for (std::int64_t at = 1;; at += 40 * stride) {
      Sequential tried = network(1);
      compile(tried);
      const Tensor before = tried.predict(x);
      const Outcome outcome = attempt(at, false, [&] { tried.fit(x, y, one_step()); });
      if (!memory::failed) break;
      const Tensor after = tried.predict(x);
      ASSERT_TRUE(same(after, before) || same(after, expected)) << "call " << at << ": half of a step";
      if (outcome == Outcome::success) continue;
      tried.fit(x, y, one_step());
      const Tensor trained = tried.predict(x);
      for (const float value : trained.values<float>()) ASSERT_TRUE(std::isfinite(value)) << "call " << at;
    }
  }

  void predict(std::int64_t stride) const {
    const Sequential model = network(1);
    const Tensor x = pictures(), expected = model.predict(x);
    sweep(stride, [&] { model.predict(x); },
          [&](Outcome) { ASSERT_TRUE(same(model.predict(x), expected)); });
  }

  const test::TempDir folder_;
};

TEST_F(Failing, Load) { load(29); }
TEST_F(Failing, Save) { save(29); }
TEST_F(Failing, FirstStep) { first_step(29); }
TEST_F(Failing, Predict) { predict(1); }
TEST_F(Failing, FullEveryCallOfALoad) { load(1); }
TEST_F(Failing, FullEveryCallOfASave) { save(1); }
TEST_F(Failing, FullEveryCallOfAFirstStep) { first_step(1); }

// Destroying a tree of JSON must not need memory that may not be there.
TEST_F(Failing, TreesOfJsonAreDestroyedWithoutMemory) {
  const std::function<detail::io::Json(int)> tree = [&](int depth) {
    detail::io::Json node = detail::io::Json::object();
    for (int i = 0; i < 6; ++i)
      node["a key of some length " + std::to_string(i)] = depth > 0 ? tree(depth - 1) : detail::io::Json::array({1, "two", detail::io::Json::array({3, nullptr})});
    return node;
  };
  for (int depth = 0; depth < 4; ++depth) {
    const std::int64_t before = memory::living;
    {
      auto json = std::make_unique<detail::io::Json>(tree(depth));
      memory::arm(1, true);
      json.reset();
      memory::disarm();
    }
    EXPECT_TRUE(memory::failed) << "the tree is so small that nothing was asked for";
    EXPECT_EQ(memory::living - before, 0);
  }
}

}  // namespace
}  // namespace linn

#endif
