// Gather, Rescale, Add, Dropout.
#include "kernels/eltwise/eltwise.h"

#include <gtest/gtest.h>

#include "kernels/eltwise_check.h"

namespace linn::detail::kernels {
namespace {

constexpr DType types[] = {DType::u8, DType::i32, DType::i64, DType::f32, DType::f64, DType::bf16};

TEST(Gather, EveryTypeIndexedAndInARow) {
  for (const DType type : types)
    for (std::int64_t row = 1; row <= 70; ++row) {
      check::check_gather(type, row, {5, 8, 0, 0, 3, 7, 1, 6, 2});
      if (HasFatalFailure()) return;
    }
}

TEST(Gather, ToDouble) {
  const std::vector<double> values{0.1, -2.5e300, 3};
  std::vector<double> dst(3);
  Gather::reference<double>({1, DType::f64}, {3, values.data(), nullptr, 0, dst.data(), nullptr});
  EXPECT_EQ(dst, values);
}

TEST(Rescale, EveryTail) {
  const Rescale::Problem problem{1 / 255.0, -0.5};
  for (std::int64_t count = 0; count <= 70; ++count) check::check_rescale(problem, count, check::Values::normal, static_cast<unsigned>(count));
  const std::vector<float> src = check::make(70, check::Values::normal, 1);
  std::vector<float> dst(src.size());
  Rescale::reference<float>(problem, {70, src.data(), dst.data(), nullptr});
  for (std::size_t i = 0; i < src.size(); ++i) EXPECT_NEAR(dst[i], src[i] / 255.0 - 0.5, 1e-7);
}

TEST(Add, EveryTail) {
  for (std::int64_t count = 0; count <= 70; ++count) check::check_add(count, check::Values::hostile, 1);
}

TEST(Dropout, EveryFormGivesTheReferencesBits) {
  const std::uint64_t firsts[] = {0, 1, 2, 3, 1000, 4 * 0xfffffff0ull, 4 * 0xffffffffull - 70, 0xffffffffffffff00ull / 4};
  for (const double rate : {0.0, 0.1, 0.25, 0.5, 0.9, 1 - 0x1p-24, 0x1p-30})
    for (const std::uint64_t first : firsts)
      for (std::int64_t count = 0; count <= 200; count += count < 70 ? 1 : 13) {
        check::check_dropout(rate, first, count);
        if (HasFatalFailure()) return;
      }
}

TEST(Dropout, KeepsTheMean) {
  constexpr std::int64_t count = 100000;
  const std::vector<double> src(count, 1.0);
  std::vector<double> dst(count);
  Dropout::reference<double>({0.3}, {count, 1, 2, 0, src.data(), dst.data(), nullptr});
  double sum = 0;
  for (const double v : dst) {
    EXPECT_TRUE(v == 0 || v == 1 / 0.7);
    sum += v;
  }
  EXPECT_NEAR(sum / count, 1, 0.01);
}

}  // namespace
}  // namespace linn::detail::kernels
