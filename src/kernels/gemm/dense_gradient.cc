// DenseKernelGradient in float32. Loop nest, registers and measurements: dense_gradient.inc.
#include "kernels/gemm/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/dense_gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "core/tree.h"
#include "kernels/gemm/float-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

#include "kernels/gemm/dense_gradient.inc"

void dense_gradient(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args) {
  const std::int64_t outputs = problem.outputs;
  const Tile tile = {args.rows, problem.shard, problem.inputs, outputs, lanes, outputs, lanes};
  run_tiles<FloatStep>(tile, args.last - args.first, outputs, args.src + args.first, args.ddst, args.dkernel + args.first * outputs,
                       args.scratch);
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cassert>

#include "core/checked.h"

namespace linn::detail::kernels {
HWY_EXPORT(dense_gradient);
namespace gemm {

bool KernelGradient::supports(const DenseKernelGradient::Problem&) { return true; }

std::int64_t KernelGradient::scratch(const DenseKernelGradient::Problem&, std::int64_t rows) { return rows * 32; }

void KernelGradient::run(const DenseKernelGradient::Problem& problem, const DenseKernelGradient::Args<float>& args) {
  const std::int64_t inputs = args.last - args.first;
  if (inputs <= 0) return;
  if (args.rows == 0) {
    std::fill_n(args.dkernel + args.first * problem.outputs, inputs * problem.outputs, 0.0f);
    return;
  }
  assert(core::ceil_div(args.rows, problem.shard) <= std::int64_t{1} << 24);
  HWY_DYNAMIC_DISPATCH(dense_gradient)(problem, args);
}

}  // namespace gemm
}  // namespace linn::detail::kernels
#endif
