// Implementations of gemm/dense.h.
#pragma once

#include "core/cpu.h"
#include "kernels/gemm/dense.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::gemm {

/// Register tiles over blocks of inputs. A row's bits depend neither on the number of rows nor on its place among them.
struct Forward : Implements<DenseForward> {
  static constexpr std::string_view name = "gemm";
  static bool supports(const DenseForward::Problem& problem);
  static std::int64_t scratch(const DenseForward::Problem& problem, std::int64_t rows);
  static void run(const DenseForward::Problem& problem, const DenseForward::Args<float>& args);
};

/// Rows and kernel rounded to bfloat16, with vdpbf16ps (dense_forward_bf16.cc).
struct Bf16Forward : Implements<DenseForward> {
  static constexpr std::string_view name = "bf16";
  static constexpr core::Feature needs = core::Feature::bfloat16_products;
  static constexpr Numerics numerics = {.operands = Operands::bfloat16};
  static bool supports(const DenseForward::Problem& problem);
  static std::int64_t scratch(const DenseForward::Problem& problem, std::int64_t rows);
  static std::int64_t packed(const DenseForward::Problem& problem);
  static void pack(const DenseForward::Problem& problem, const float* kernel, float* packed);
  static void run(const DenseForward::Problem& problem, const DenseForward::Args<float>& args);
};

/// Bf16Forward's rounding for CPUs without vdpbf16ps, with Forward's multiply-adds. Bits may differ from Bf16Forward's: vdpbf16ps adds the
/// two terms of a pair in another order and takes denormals as 0.
struct RoundedForward : Implements<DenseForward> {
  static constexpr std::string_view name = "rounded_to_bf16";
  static constexpr Numerics numerics = {.operands = Operands::bfloat16};
  static bool supports(const DenseForward::Problem& problem) { return Forward::supports(problem); }
  static std::int64_t scratch(const DenseForward::Problem& problem, std::int64_t rows);
  static std::int64_t packed(const DenseForward::Problem& problem);
  static void pack(const DenseForward::Problem& problem, const float* kernel, float* packed);
  static void run(const DenseForward::Problem& problem, const DenseForward::Args<float>& args);
};

/// Register tiles. The sums of the shards and of their tree stay in the core's caches.
struct KernelGradient : Implements<DenseKernelGradient> {
  static constexpr std::string_view name = "gemm";
  static bool supports(const DenseKernelGradient::Problem& problem);
  static std::int64_t scratch(const DenseKernelGradient::Problem& problem, std::int64_t rows);
  static void run(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args);
};

/// Pairs of rows rounded to bfloat16, with vdpbf16ps (dense_gradient_bf16.cc).
struct Bf16KernelGradient : Implements<DenseKernelGradient> {
  static constexpr std::string_view name = "bf16";
  static constexpr core::Feature needs = core::Feature::bfloat16_products;
  static constexpr Numerics numerics = {.operands = Operands::bfloat16};
  static std::int64_t scratch(const DenseKernelGradient::Problem& problem, std::int64_t rows);
  static void run(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args);
};

/// Bf16KernelGradient's rounding for CPUs without vdpbf16ps; see RoundedForward.
struct RoundedKernelGradient : Implements<DenseKernelGradient> {
  static constexpr std::string_view name = "rounded_to_bf16";
  static constexpr Numerics numerics = {.operands = Operands::bfloat16};
  static std::int64_t scratch(const DenseKernelGradient::Problem& problem, std::int64_t rows);
  static void run(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args);
};

struct Transpose : Implements<TransposeKernel> {
  static constexpr std::string_view name = "blocks";
  static void run(const TransposeKernel::Problem& problem, const TransposeKernel::Args<float>& args);
};

struct Columns : Implements<ColumnSum> {
  static constexpr std::string_view name = "vectors";
  static void run(const ColumnSum::Problem& problem, const ColumnSum::Args<float>& args);
};

}  // namespace linn::detail::kernels::gemm
