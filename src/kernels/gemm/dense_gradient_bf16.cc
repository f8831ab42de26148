// DenseKernelGradient in bfloat16, two rows of a shard at a time: rounds src and ddst and interleaves neighbouring rows of a shard into
// scratch, then runs the loops of dense_gradient.inc on these pairs. The partner of an odd last row of a shard is zero.
// Measured:   see docs/decisions/bfloat16.md.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/dense_gradient_bf16.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "core/checked.h"
#include "kernels/gemm/bf16-inl.h"
#include "kernels/gemm/bf16.h"
#include "kernels/gemm/gemm.h"

#ifndef LINN_KERNELS_GEMM_DENSE_GRADIENT_BF16_ONCE
#define LINN_KERNELS_GEMM_DENSE_GRADIENT_BF16_ONCE
namespace linn::detail::kernels::gemm {
namespace {

// Pairs of rows of all shards.
std::int64_t pairs_of(std::int64_t rows, std::int64_t shard) { return rows / shard * ((shard + 1) / 2) + (rows % shard + 1) / 2; }

}  // namespace
}  // namespace linn::detail::kernels::gemm
#endif

#if HWY_TARGET == HWY_AVX3
LINN_BEFORE_BF16();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

#include "kernels/gemm/dense_gradient.inc"

// Interleaves columns [0, columns) of neighbouring rows of a shard; the pairs have the pitch `dst_pair`.
void interleave_shards(const float* src, std::int64_t rows, std::int64_t shard, std::int64_t src_row, std::int64_t columns, Bf16* dst,
                       std::int64_t dst_pair) {
  for (std::int64_t first = 0; first < rows; first += shard) {
    const std::int64_t count = HWY_MIN(shard, rows - first);
    interleave_bf16(src, src + src_row, {count / 2, 2 * src_row, columns}, dst, dst_pair, bf16_pair);
    if (count % 2 != 0)
      interleave_bf16(src + (count - 1) * src_row, nullptr, {1, src_row, columns}, dst + count / 2 * dst_pair, dst_pair, bf16_pair);
    src += count * src_row;
    dst += (count + 1) / 2 * dst_pair;
  }
}

}  // namespace

void dense_gradient_pairs(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args) {
  const std::int64_t outputs = problem.outputs, inputs = args.last - args.first, pairs = gemm::pairs_of(args.rows, problem.shard);
  const std::int64_t src_pair = 2 * core::round_up(inputs, bf16_columns), b_pair = 2 * core::round_up(outputs, bf16_columns);
  auto* src = reinterpret_cast<Bf16*>(args.scratch);
  Bf16* b = src + pairs * src_pair;
  interleave_shards(args.src + args.first, args.rows, problem.shard, problem.inputs, inputs, src, src_pair);
  interleave_shards(args.ddst, args.rows, problem.shard, outputs, outputs, b, b_pair);
  const Tile tile = {pairs, (problem.shard + 1) / 2, src_pair, b_pair, bf16_pair, outputs, lanes};
  run_tiles<PairStep>(tile, inputs, outputs, src, b, args.dkernel + args.first * outputs, nullptr);
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
LINN_AFTER_BF16();
#endif  // HWY_AVX3

#if HWY_ONCE
namespace linn::detail::kernels::gemm {

std::int64_t Bf16KernelGradient::scratch(const DenseKernelGradient::Problem& problem, std::int64_t rows) {
  return pairs_of(rows, problem.shard) * (core::round_up(problem.inputs, bf16_columns) + core::round_up(problem.outputs, bf16_columns));
}

void Bf16KernelGradient::run(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args) {
  if (args.last <= args.first) return;
  if (args.rows == 0)
    std::fill_n(args.dkernel + args.first * problem.outputs, (args.last - args.first) * problem.outputs, 0.0f);
  else
    N_AVX3::dense_gradient_pairs(problem, args);
}

std::int64_t RoundedKernelGradient::scratch(const DenseKernelGradient::Problem& problem, std::int64_t rows) {
  return rows * (problem.inputs + problem.outputs) + KernelGradient::scratch(problem, rows);
}

void RoundedKernelGradient::run(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args) {
  const std::int64_t inputs = args.last - args.first;
  if (inputs <= 0) return;
  float* src = args.scratch;
  float* ddst = src + args.rows * inputs;
  for (std::int64_t r = 0; r < args.rows; ++r) round_to_bf16(args.src + r * problem.inputs + args.first, inputs, src + r * inputs);
  round_to_bf16(args.ddst, args.rows * problem.outputs, ddst);
  KernelGradient::run({inputs, problem.outputs, problem.shard},
                      {args.rows, src, ddst, args.dkernel + args.first * problem.outputs, 0, inputs, ddst + args.rows * problem.outputs});
}

}  // namespace linn::detail::kernels::gemm
#endif
