// ColumnSum: dst[c] = sum over rows of src[r,c], rows in order.
//
// Loop nest:  for each panel of 4 vectors of columns (then of 1), for each row: one addition a vector.
// Registers:  4 accumulators of 16: bound by loads; a narrow map by the latency of the additions, whose order is promised.
// Measured:   not alone. It reads each value once; the product beside it uses each value some hundred times.
#include "kernels/gemm/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/column_sum.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/gemm/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

template <int kVectors, bool kTail>
HWY_NOINLINE void SumPanel(const float* src, std::int64_t rows, std::int64_t src_row, float* dst, std::int64_t last) {
  V sum[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(D());
  for (std::int64_t r = 0; r < rows; ++r, src += src_row)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Add(sum[v], LoadVector<kTail>(src, v, kVectors, last));
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) StoreVector<kTail>(sum[v], dst, v, kVectors, last);
}

void column_sum(const ColumnSum::Problem& problem, const ColumnSum::Args<float>& args) {
  const std::int64_t columns = problem.columns, row = problem.pitch();
  std::int64_t c = 0;
  for (; columns - c >= 4 * lanes; c += 4 * lanes) SumPanel<4, false>(args.src + c, args.rows, row, args.dst + c, lanes);
  // The remaining columns, fewer than 4 vectors: 2 vectors, 1, and a part of one.
  if (columns - c >= 2 * lanes) SumPanel<2, false>(args.src + c, args.rows, row, args.dst + c, lanes), c += 2 * lanes;
  if (columns - c > lanes) SumPanel<2, true>(args.src + c, args.rows, row, args.dst + c, columns - c - lanes), c = columns;
  if (c < columns) SumPanel<1, true>(args.src + c, args.rows, row, args.dst + c, columns - c);
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(column_sum);

void gemm::Columns::run(const ColumnSum::Problem& problem, const ColumnSum::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(column_sum)(problem, args);
}

}  // namespace linn::detail::kernels
#endif
