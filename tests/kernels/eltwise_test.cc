// Gather, Rescale, Add, Dropout.
#include "kernels/eltwise/eltwise.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "kernels/elementwise_check.h"

namespace linn::kernels {
namespace {

constexpr DType types[] = {DType::u8, DType::i32, DType::i64, DType::f32, DType::f64, DType::bf16};

TEST(Gather, EveryTypeIndexedAndInARow) {
  constexpr std::int64_t rows = 9;
  const std::vector<std::int64_t> index{5, 8, 0, 0, 3, 7, 1};
  for (const DType type : types)
    for (std::int64_t row = 1; row <= 70; ++row) {
      SCOPED_TRACE(std::string(name_of(type)) + " rows of " + std::to_string(row));
      std::vector<float> values(static_cast<std::size_t>(rows * row));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((i * 37) % 256);
      const Tensor src = Tensor::from(values, {rows, row}).astype(type);
      const Gather::Problem problem{row, type};
      check::each_form<Gather>(problem, [&](const Implementation<Gather>& form) {
        std::vector<float> dst(static_cast<std::size_t>(5 * row));
        form.run(problem, {5, src.raw(), index.data(), 2, dst.data(), nullptr});
        for (std::int64_t r = 0; r < 5; ++r)
          for (std::int64_t i = 0; i < row; ++i)
            ASSERT_EQ(dst[static_cast<std::size_t>(r * row + i)], values[static_cast<std::size_t>(index[static_cast<std::size_t>(2 + r)] * row + i)]);
        form.run(problem, {5, src.raw(), nullptr, 3, dst.data(), nullptr});
        for (std::int64_t i = 0; i < 5 * row; ++i) ASSERT_EQ(dst[static_cast<std::size_t>(i)], values[static_cast<std::size_t>(3 * row + i)]);
      });
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
  for (std::int64_t count = 0; count <= 70; ++count) {
    const std::vector<float> src = check::make(count, check::Values::normal, static_cast<unsigned>(count));
    std::vector<float> expected(src.size());
    Rescale::reference<float>(problem, {count, src.data(), expected.data(), nullptr});
    for (std::size_t i = 0; i < src.size(); ++i) EXPECT_NEAR(expected[i], src[i] / 255.0 - 0.5, 1e-7);
    check::each_form<Rescale>(problem, [&](const Implementation<Rescale>& form) {
      std::vector<float> dst = src;
      form.run(problem, {count, dst.data(), dst.data(), nullptr});
      ASSERT_TRUE(check::all_same(dst, expected));
    });
  }
}

TEST(Add, EveryTail) {
  for (std::int64_t count = 0; count <= 70; ++count) {
    const std::vector<float> a = check::make(count, check::Values::hostile, 1), b = check::make(count, check::Values::normal, 2);
    std::vector<float> expected(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) expected[i] = a[i] + b[i];
    check::each_form<Add>({}, [&](const Implementation<Add>& form) {
      std::vector<float> dst = a;
      form.run({}, {count, dst.data(), b.data(), dst.data(), nullptr});
      ASSERT_TRUE(check::all_same(dst, expected));
    });
  }
}

TEST(Dropout, EveryFormGivesTheReferencesBits) {
  const std::uint64_t firsts[] = {0, 1, 2, 3, 1000, 4 * 0xfffffff0ull, 4 * 0xffffffffull - 70, 0xffffffffffffff00ull / 4};
  for (const double rate : {0.0, 0.1, 0.25, 0.5, 0.9, 1 - 0x1p-24, 0x1p-30})
    for (const std::uint64_t first : firsts)
      for (std::int64_t count = 0; count <= 200; count += count < 70 ? 1 : 13) {
        SCOPED_TRACE("rate " + std::to_string(rate) + " first " + std::to_string(first) + " count " + std::to_string(count));
        const std::vector<float> src = check::make(count, check::Values::normal, 1);
        std::vector<float> expected(src.size());
        for (std::size_t i = 0; i < src.size(); ++i)
          expected[i] = core::Random(7ull << 40 | 9, 3ull << 50 | 11).uniform(first + i) < rate ? 0.0f : src[i] / static_cast<float>(1 - rate);
        check::each_form<Dropout>({rate}, [&](const Implementation<Dropout>& form) {
          std::vector<float> dst(src.size());
          form.run({rate}, {count, 7ull << 40 | 9, 3ull << 50 | 11, first, src.data(), dst.data(), nullptr});
          ASSERT_TRUE(check::all_same(dst, expected));
        });
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
}  // namespace linn::kernels
