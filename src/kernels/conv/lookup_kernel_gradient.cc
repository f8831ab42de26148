// ConvPoolKernelGradient for one input channel, 3x3 taps and 2x2 windows, the usual first layer. Output channels are in lanes. The 4x4
// patch of a window fills one register; for each tap, a table lookup in it gives each lane the pixel of its argmax.
//
// Loop nest:  for each 2 vectors of output channels, for each image, window
//               the patch, gathered from four rows; for each tap: 2 lookups, 2 multiply-adds
// Registers:  18 sums, 2 of the bias, 2 gradients, 2 indices, the patch.
// Measured:   see docs/engine.md. Bound by the lookups, one a cycle.
#include "kernels/conv/cost.h"
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/lookup_kernel_gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/conv/padding.h"
#include "kernels/conv/pooling-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET <= HWY_AVX3

template <int kVectors>
HWY_NOINLINE void SumTaps(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args, std::int64_t first, std::int64_t last) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::FixedTag<float, 4> quarter;
  const hn::FixedTag<float, 8> half;
  const Geometry &g = problem.conv, &pool = problem.pool;
  V sum[9][kVectors], bias[kVectors];
#pragma GCC unroll 16
  for (int t = 0; t < 9; ++t)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[t][v] = bias[v] = hn::Zero(d);
  const float* ddst = args.ddst + first;
  const std::uint8_t* argmax = args.argmax + first;
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t y = 0; y < pool.out_height; ++y) {
      const float* src = args.src + n * g.src_image + 2 * y * g.src_row;
      for (std::int64_t x = 0; x < pool.out_width; ++x, src += 2, ddst += pool.channels, argmax += pool.channels) {
        const auto upper = hn::Combine(half, hn::LoadU(quarter, src + g.src_row), hn::LoadU(quarter, src));
        const auto lower = hn::Combine(half, hn::LoadU(quarter, src + 3 * g.src_row), hn::LoadU(quarter, src + 2 * g.src_row));
        const V patch = hn::Combine(d, lower, upper);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
          const std::int64_t count = v == kVectors - 1 ? last : lanes;
          const Cell cell = LoadCells(argmax + v * lanes, count);
          const auto dead = hn::RebindMask(d, hn::Eq(cell, hn::Set(di, no_cell)));
          const V gradient = hn::IfThenZeroElse(dead, LoadCount(ddst + v * lanes, count));
          bias[v] = hn::Add(bias[v], gradient);
          // Cells 0, 1, 2, 3 begin at pixels 0, 1, 4, 5 of the patch. no_cell gives 5 too, so that every index lies in the patch.
          const auto origin = hn::Add(hn::And(cell, hn::Set(di, 3)), hn::And(cell, hn::Set(di, 2)));
#pragma GCC unroll 16
          for (int t = 0; t < 9; ++t) {
            const auto index = hn::IndicesFromVec(d, hn::Add(origin, hn::Set(di, 4 * (t / 3) + t % 3)));
            sum[t][v] = hn::MulAdd(gradient, hn::TableLookupLanes(patch, index), sum[t][v]);
          }
        }
      }
    }
  // dkernel[out channel][tap]: one column of each sum; once for each call.
  alignas(64) float columns[9][kVectors * lanes];
#pragma GCC unroll 16
  for (int t = 0; t < 9; ++t)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) hn::Store(sum[t][v], d, columns[t] + v * lanes);
  for (std::int64_t o = 0; o < (kVectors - 1) * lanes + last; ++o)
    for (int t = 0; t < 9; ++t) args.dkernel[(first + o) * 9 + t] = columns[t][o];
  if (args.dbias == nullptr) return;
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v)
    if (v == kVectors - 1)
      StorePart(bias[v], args.dbias + first + v * lanes, last);
    else
      hn::StoreU(bias[v], d, args.dbias + first + v * lanes);
}

void sum_taps(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args) {
  const std::int64_t channels = problem.pool.channels;
  for (std::int64_t o = 0; o < channels; o += 2 * lanes) {
    const std::int64_t left = channels - o;
    if (left > lanes)
      SumTaps<2>(problem, args, o, HWY_MIN(left - lanes, lanes));
    else
      SumTaps<1>(problem, args, o, left);
  }
}

#else  // a register holds no patch; never chosen

void sum_taps(const ConvPoolKernelGradient::Problem&, const ConvPoolKernelGradient::Args<float>&) { HWY_ABORT("lookup needs AVX-512"); }

#endif

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(sum_taps);

namespace conv {

bool LookupKernelGradient::supports(const ConvPoolKernelGradient::Problem& problem) {
  const Geometry& g = problem.conv;
  return is_three_by_three(g) && g.channels == 1 && g.src_pixel == 1 && !padded(g) && is_two_by_two(problem.pool);
}

// A lookup for each tap in place of a product with each of the four cells.
double LookupKernelGradient::cost(const ConvPoolKernelGradient::Problem& problem) {
  return 0.3 * static_cast<double>(problem.pool.out_height * problem.pool.out_width * kernel_size(problem.conv));
}

void LookupKernelGradient::run(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(sum_taps)(problem, args);
}

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
