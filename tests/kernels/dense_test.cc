#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "kernels/dense_check.h"

namespace linn::detail::kernels {
namespace {

using namespace testing;

TEST(Dense, ForwardEveryTail) {
  for (std::int64_t o = 1; o <= 100; ++o) check_dense_forward(1 + o % 17, 1 + o % 9, o, o % 2 == 0, o % 3 == 0 ? Activation::relu : o % 3 == 1 ? Activation::relu6 : Activation::linear);
  for (std::int64_t r = 1; r <= 60; ++r) check_dense_forward(r, 7, 40 + r % 40, true, Activation::relu);
  for (std::int64_t i = 1; i <= 20; ++i) check_dense_forward(5, i, 10, true, Activation::linear);
}

TEST(Dense, ForwardLayers) {
  check_dense_forward(16, 800, 128, true, Activation::relu);
  check_dense_forward(128, 800, 72, true, Activation::relu);
  check_dense_forward(300, 1300, 35, false, Activation::linear);
  check_dense_forward(20, 1300, 70, true, Activation::relu6);
  check_dense_forward(8, 128, 10, true, Activation::linear);
  check_dense_forward(1, 5000, 3, true, Activation::linear);
}

// Rows of the kernel so far apart that its panels are laid out, their tail too.
TEST(Dense, ForwardWideKernels) {
  check_dense_forward(110, 9, 1024, true, Activation::relu);
  check_dense_forward(105, 700, 1041, false, Activation::linear);
}

// The bits of a row depend neither on the number of rows nor on its place among them.
TEST(Dense, ForwardRowsAreIndependent) {
  for (const std::int64_t outputs : {10, 33, 128})
    for (const std::int64_t inputs : {31, 1500}) {
      const std::int64_t rows = 140;
      const DenseForward::Problem problem = {inputs, outputs, true, Activation::relu};
      const Buffer src(random_values(rows * inputs, 1)), kernel(random_values(inputs * outputs, 2)), bias(random_values(outputs, 3));
      for_each_implementation<DenseForward>(problem, [&](const Implementation<DenseForward>& f) {
        Buffer all(rows * outputs), scratch(f.scratch(problem, rows));
        const Buffer packed = packed_for(f, problem, kernel);
        f.run(problem, {rows, src.data(), kernel.data(), packed.data(), bias.data(), all.data(), scratch.data()});
        for (const std::int64_t part : {1, 2, 5, 13, 14, 16, 111}) {
          Buffer some(rows * outputs);
          for (std::int64_t r = 0; r < rows; r += part)
            f.run(problem, {std::min(part, rows - r), src.data() + r * inputs, kernel.data(), packed.data(), bias.data(), some.data() + r * outputs, scratch.data()});
          EXPECT_EQ(bits_that_differ(all, some), 0) << inputs << " x " << outputs << " in parts of " << part;
        }
      });
    }
}

TEST(Dense, ForwardLetsNanThrough) {
  const DenseForward::Problem problem = {3, 20, false, Activation::relu};
  const Buffer src(std::vector<double>{1, std::numeric_limits<double>::quiet_NaN(), 1, 1, 2, 3}), kernel(random_values(60, 1));
  for_each_implementation<DenseForward>(problem, [&](const Implementation<DenseForward>& f) {
    Buffer dst(40), scratch(f.scratch(problem, 2));
    const Buffer packed = packed_for(f, problem, kernel);
    f.run(problem, {2, src.data(), kernel.data(), packed.data(), nullptr, dst.data(), scratch.data()});
    for (std::int64_t o = 0; o < 20; ++o) {
      EXPECT_TRUE(std::isnan(dst[o]));
      EXPECT_FALSE(std::isnan(dst[20 + o]));
    }
  });
}

TEST(Dense, KernelGradientEveryTail) {
  for (std::int64_t o = 1; o <= 70; ++o) check_dense_gradient(1 + o % 21, 1 + o % 16, o, 1 + o % 5);
  for (std::int64_t i = 1; i <= 40; ++i) check_dense_gradient(11, i, 18, 4);
}

TEST(Dense, KernelGradientTrees) {
  for (std::int64_t rows = 1; rows <= 40; ++rows) check_dense_gradient(rows, 15, 33, 3);
  check_dense_gradient(128, 130, 72, 8);
  check_dense_gradient(128, 130, 72, 16);
  check_dense_gradient(100, 30, 10, 8);
  check_dense_gradient(1000, 20, 10, 1);
}

// The order of the sum is the tree's and no other: products are exact, sums round, and the bits tell.
TEST(Dense, KernelGradientSumsUpTheTree) {
  const std::vector<double> values = {1e8, 3, -1e8, 5, 7, 1e8, -1e8};
  const DenseKernelGradient::Problem problem = {1, 1, 1};
  const auto rows = static_cast<std::int64_t>(values.size());
  const auto f32 = [](double v) { return static_cast<float>(v); };
  const float pairs[] = {f32(1e8) + 3.0f, f32(-1e8) + 5.0f, 7.0f + f32(1e8), f32(-1e8)};
  const float expected = (pairs[0] + pairs[1]) + (pairs[2] + pairs[3]);
  const Buffer src(values), ddst(std::vector<double>(values.size(), 1.0));
  for_each_implementation<DenseKernelGradient>(problem, [&](const Implementation<DenseKernelGradient>& f) {
    Buffer dkernel(1), scratch(f.scratch(problem, rows));
    f.run(problem, {rows, src.data(), ddst.data(), dkernel.data(), 0, 1, scratch.data()});
    EXPECT_EQ(dkernel[0], expected);
  });
}

RC_GTEST_PROP(Dense, AnySizes, ()) {
  const std::int64_t rows = *rc::gen::inRange(1, 60), inputs = *rc::gen::inRange(1, 80), outputs = *rc::gen::inRange(1, 80);
  check_dense_forward(rows, inputs, outputs, *rc::gen::arbitrary<bool>(), *rc::gen::element(Activation::linear, Activation::relu));
  check_dense_gradient(rows, inputs, outputs, *rc::gen::inRange(1, 20));
  RC_ASSERT(!::testing::Test::HasFailure());
}

TEST(Dense, ReferenceGradientIsFiniteDifference) {
  const std::int64_t rows = 5, inputs = 4, outputs = 3;
  const auto src = random_values(rows * inputs, 1), ddst = random_values(rows * outputs, 2);
  auto kernel = random_values(inputs * outputs, 3);
  const auto loss = [&] {
    std::vector<double> dst(ddst.size());
    DenseForward::reference<double>({inputs, outputs}, {rows, src.data(), kernel.data(), nullptr, nullptr, dst.data(), nullptr});
    double sum = 0;
    for (std::size_t i = 0; i < dst.size(); ++i) sum += dst[i] * ddst[i];
    return sum;
  };
  std::vector<double> dkernel(kernel.size());
  DenseKernelGradient::reference<double>({inputs, outputs, 2}, {rows, src.data(), ddst.data(), dkernel.data(), 0, inputs, nullptr});
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    const double value = kernel[i];
    kernel[i] = value + 0.5;
    const double above = loss();
    kernel[i] = value - 0.5;
    const double below = loss();
    kernel[i] = value;
    EXPECT_NEAR(above - below, dkernel[i], 1e-12);
  }
}

TEST(Transpose, EverySize) {
  for (std::int64_t rows = 1; rows <= 20; ++rows)
    for (std::int64_t columns = 1; columns <= 20; ++columns) check_transpose(3, rows, columns);
}

TEST(ColumnSum, EveryTailInTheOrderOfRows) {
  for (std::int64_t columns = 1; columns <= 150; ++columns) for (const std::int64_t gap : {0, 3}) check_column_sum(columns % 23, columns, gap);
}

TEST(DenseFull, LargeLayers) {
  check_dense_forward(257, 3000, 130, true, Activation::relu);
  check_dense_forward(3, 20000, 50, true, Activation::linear);
  check_dense_forward(2, 5, 20000, false, Activation::linear);
  check_dense_gradient(256, 800, 128, 8);
  check_dense_gradient(2000, 40, 50, 16);
  for (std::int64_t o = 1; o <= 70; ++o)
    for (std::int64_t r = 1; r <= 30; ++r) check_dense_forward(r, 3, o, true, Activation::linear);
}

// Some columns of the output computed alone, by the implementations that read the caller's kernel.
TEST(Dense, ColumnsHaveTheBitsOfTheWhole) {
  constexpr std::int64_t rows = 5, inputs = 700, outputs = 150;
  const DenseForward::Problem problem = {inputs, outputs, true, Activation::relu};
  const Buffer src(random_values(rows * inputs, 1)), kernel(random_values(inputs * outputs, 2)), bias(random_values(outputs, 3));
  for_each_implementation<DenseForward>(problem, [&](const Implementation<DenseForward>& f) {
    if (f.packed(problem) > 0) return;
    Buffer whole(rows * outputs, untouched), parts(rows * outputs, untouched), scratch(f.scratch(problem, rows), unwritten);
    f.run(problem, {rows, src.data(), kernel.data(), nullptr, bias.data(), whole.data(), scratch.data()});
    for (std::int64_t first = 0; first < outputs; first += 64) {
      DenseForward::Problem part = problem;
      part.outputs = std::min<std::int64_t>(64, outputs - first), part.row = outputs;
      f.run(part, {rows, src.data(), kernel.data() + first, nullptr, bias.data() + first, parts.data() + first, scratch.data()});
    }
    EXPECT_EQ(bits_that_differ(whole, parts), 0);
  });
}

}  // namespace
}  // namespace linn::detail::kernels
