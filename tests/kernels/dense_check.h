// Dense layers' products against the references in double.
#pragma once

#include "kernels/gemm/dense.h"
#include "kernels/kernel_test.h"

namespace linn::detail::kernels::testing {

inline void check_dense_forward(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, bool bias, Activation activation,
                                std::uint32_t seed = 1, Values values = Values::normal) {
  const auto src = random_values(values, rows * inputs, seed), kernel = random_values(values, inputs * outputs, seed + 1);
  const auto biases = random_values(values, outputs, seed + 2);
  const auto src_size = magnitudes(src), kernel_size = magnitudes(kernel), bias_size = magnitudes(biases);
  const auto count = static_cast<std::size_t>(rows * outputs);
  std::vector<double> expected(count), of_rounded(count), magnitude(count);
  const DenseForward::Problem problem = {inputs, outputs, bias, activation};
  DenseForward::reference<double>(problem, {rows, src.data(), kernel.data(), nullptr, biases.data(), expected.data(), nullptr});
  DenseForward::reference<double>(problem, {rows, rounded_to_bf16(src).data(), rounded_to_bf16(kernel).data(), nullptr, biases.data(), of_rounded.data(), nullptr});
  DenseForward::reference<double>({inputs, outputs, bias, Activation::linear},
                                  {rows, src_size.data(), kernel_size.data(), nullptr, bias_size.data(), magnitude.data(), nullptr});
  const Buffer src32(src), kernel32(kernel), bias32(biases);
  for_each_implementation<DenseForward>(problem, [&](const Implementation<DenseForward>& f) {
    Buffer dst(rows * outputs, untouched), scratch(f.scratch(problem, rows), unwritten);
    const Buffer packed = packed_for(f, problem, kernel32);
    f.run(problem, {rows, src32.data(), kernel32.data(), packed.data(), bias ? bias32.data() : nullptr, dst.data(), scratch.data()});
    const bool rounds = f.numerics.operands == Operands::bfloat16;
    EXPECT_TRUE(all_near(dst, rounds ? of_rounded : expected, magnitude)) << rows << " x " << inputs << " x " << outputs;
    EXPECT_TRUE(all_near(dst, expected, magnitude, bound_of(f)));
  });
}

// Also: every cut into slices, with nothing written outside them, gives the bits of the whole.
inline void check_dense_gradient(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, std::int64_t shard, std::uint32_t seed = 1,
                                 Values values = Values::normal) {
  const auto src = random_values(values, rows * inputs, seed), ddst = random_values(values, rows * outputs, seed + 1);
  const auto src_size = magnitudes(src), ddst_size = magnitudes(ddst);
  const auto count = static_cast<std::size_t>(inputs * outputs);
  std::vector<double> expected(count), of_rounded(count), magnitude(count);
  const DenseKernelGradient::Problem problem = {inputs, outputs, shard};
  DenseKernelGradient::reference<double>(problem, {rows, src.data(), ddst.data(), expected.data(), 0, inputs, nullptr});
  DenseKernelGradient::reference<double>(problem, {rows, rounded_to_bf16(src).data(), rounded_to_bf16(ddst).data(), of_rounded.data(), 0, inputs, nullptr});
  DenseKernelGradient::reference<double>(problem, {rows, src_size.data(), ddst_size.data(), magnitude.data(), 0, inputs, nullptr});
  const Buffer src32(src), ddst32(ddst);
  for_each_implementation<DenseKernelGradient>(problem, [&](const Implementation<DenseKernelGradient>& f) {
    Buffer whole(inputs * outputs, untouched), scratch(f.scratch(problem, rows), unwritten);
    f.run(problem, {rows, src32.data(), ddst32.data(), whole.data(), 0, inputs, scratch.data()});
    EXPECT_TRUE(all_near(whole, expected, magnitude, bound_of(f))) << rows << " x " << inputs << " x " << outputs << ", shard " << shard;
    EXPECT_TRUE(all_near(whole, f.numerics.operands == Operands::bfloat16 ? of_rounded : expected, magnitude)) << rows << " x " << inputs << " x " << outputs << ", shard " << shard;
    for (std::int64_t slice = 1; slice < inputs; slice = slice * 3 + 2) {
      Buffer parts(inputs * outputs, untouched);
      for (std::int64_t first = 0; first < inputs; first += slice)
        f.run(problem, {rows, src32.data(), ddst32.data(), parts.data(), first, std::min(first + slice, inputs), scratch.data()});
      EXPECT_EQ(bits_that_differ(whole, parts), 0) << rows << " x " << inputs << " x " << outputs << ", slices of " << slice;
    }
    Buffer middle(inputs * outputs, untouched);
    f.run(problem, {rows, src32.data(), ddst32.data(), middle.data(), inputs / 3, inputs / 2, scratch.data()});
    for (std::int64_t i = 0; i < inputs; ++i)
      for (std::int64_t o = 0; o < outputs; ++o)
        EXPECT_EQ(middle[i * outputs + o], i >= inputs / 3 && i < inputs / 2 ? whole[i * outputs + o] : untouched);
  });
}

inline void check_transpose(std::int64_t batches, std::int64_t rows, std::int64_t columns, std::uint32_t seed = 1) {
  const TransposeKernel::Problem problem = {batches, rows, columns};
  const Buffer src(random_values(batches * rows * columns, seed));
  Buffer expected(src.size());
  TransposeKernel::reference<float>(problem, {src.data(), expected.data(), nullptr});
  for_each_implementation<TransposeKernel>(problem, [&](const Implementation<TransposeKernel>& f) {
    Buffer dst(src.size(), untouched), scratch(f.scratch(problem, batches), unwritten);
    f.run(problem, {src.data(), dst.data(), scratch.data()});
    EXPECT_EQ(bits_that_differ(dst, expected), 0) << batches << " x " << rows << " x " << columns;
  });
}

inline void check_column_sum(std::int64_t rows, std::int64_t columns, std::int64_t gap = 0, std::uint32_t seed = 1) {
  const ColumnSum::Problem problem = {columns, gap == 0 ? 0 : columns + gap};
  const Buffer src(random_values(rows * (columns + gap), seed));
  Buffer expected(columns);
  ColumnSum::reference<float>(problem, {rows, src.data(), expected.data(), nullptr});
  for_each_implementation<ColumnSum>(problem, [&](const Implementation<ColumnSum>& f) {
    Buffer dst(columns, untouched), scratch(f.scratch(problem, rows), unwritten);
    f.run(problem, {rows, src.data(), dst.data(), scratch.data()});
    EXPECT_EQ(bits_that_differ(dst, expected), 0) << rows << " x " << columns;
  });
}

}  // namespace linn::detail::kernels::testing
