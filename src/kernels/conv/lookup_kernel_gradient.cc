// ConvPoolKernelGradient for one input channel, 3x3 taps and 2x2 windows, the usual first layer. Output channels are in lanes. A window
// depends on a 4x4 patch; for each tap, a table lookup gives each lane the pixel of its argmax. AVX-512 looks up in the whole patch, AVX2
// in two rows of it: a row of taps meets no others. Both sum the same products in the same order.
//
// Loop nest:  for each 2 vectors of output channels (AVX2: 1), for each image, window
//               the patch, gathered from four rows (AVX2: two rows for each row of taps)
//               for each tap: a lookup and a multiply-add for each vector
// Registers:  AVX-512: 18 sums, 2 of the bias, 2 gradients, 2 indices, the patch.
//             AVX2: 9 sums, the bias, the gradient, 3 indices, the rows, a pixel: all 16.
// Measured:   (Zen 5, one core, 1->32 on 28x28) AVX-512 36 % of the multiply-add loop, AVX2 40 %, 3.4 times as fast as `expanded`. Bound by
//             the lookups, one a cycle.
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

#if HWY_TARGET <= HWY_AVX2

using Index = hn::Vec<hn::RebindToSigned<D>>;

#if HWY_TARGET <= HWY_AVX3
constexpr int most_vectors = 2;

// The 4x4 pixels on which a window depends.
class Patch {
 public:
  HWY_INLINE Patch(const float* src, std::int64_t row) {
    const D d;
    const hn::FixedTag<float, 4> quarter;
    const hn::FixedTag<float, 8> half;
    const auto upper = hn::Combine(half, hn::LoadU(quarter, src + row), hn::LoadU(quarter, src));
    const auto lower = hn::Combine(half, hn::LoadU(quarter, src + 3 * row), hn::LoadU(quarter, src + 2 * row));
    pixels_ = hn::Combine(d, lower, upper);
  }
  // The pixels under tap (i, j) of a cell. `origin`: the cells' first pixels.
  HWY_INLINE V Under(int i, int j, Index origin) const {
    const hn::RebindToSigned<D> di;
    return hn::TableLookupLanes(pixels_, hn::IndicesFromVec(D(), hn::Add(origin, hn::Set(di, 4 * i + j))));
  }

 private:
  V pixels_;
};
#else
constexpr int most_vectors = 1;  // nine sums of 16 registers

// The 4x4 pixels on which a window depends. Row i of the taps looks at rows i and i + 1 of them, which fill a register.
class Patch {
 public:
  HWY_INLINE Patch(const float* src, std::int64_t row) : src_(src), row_(row) {}
  // The pixels under tap (i, j) of a cell. `origin`: the cells' first pixels.
  HWY_INLINE V Under(int i, int j, Index origin) const {
    const D d;
    const hn::RebindToSigned<D> di;
    const hn::FixedTag<float, 4> half;
    const V rows = hn::Combine(d, hn::LoadU(half, src_ + (i + 1) * row_), hn::LoadU(half, src_ + i * row_));
    return hn::TableLookupLanes(rows, hn::IndicesFromVec(d, hn::Add(origin, hn::Set(di, j))));
  }

 private:
  const float* src_;
  std::int64_t row_;
};
#endif

template <int kVectors>
HWY_NOINLINE void SumTaps(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args, std::int64_t first, std::int64_t last) {
  const D d;
  const hn::RebindToSigned<D> di;
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
        const Patch patch(src, g.src_row);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
          const std::int64_t count = v == kVectors - 1 ? last : lanes;
          const Cell cell = LoadCells(argmax + v * lanes, count);
          const auto dead = hn::RebindMask(d, hn::Eq(cell, hn::Set(di, no_cell)));
          const V gradient = hn::IfThenZeroElse(dead, LoadCount(ddst + v * lanes, count));
          bias[v] = hn::Add(bias[v], gradient);
          // Cells 0, 1, 2, 3 begin at pixels 0, 1, 4, 5 of the patch. no_cell gives 5 too, so that every index lies in the patch.
          const Index origin = hn::Add(hn::And(cell, hn::Set(di, 3)), hn::And(cell, hn::Set(di, 2)));
#pragma GCC unroll 16
          for (int t = 0; t < 9; ++t) sum[t][v] = hn::MulAdd(gradient, patch.Under(t / 3, t % 3, origin), sum[t][v]);
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
  for (std::int64_t o = 0; o < channels; o += most_vectors * lanes) {
    const std::int64_t left = channels - o;
    if (most_vectors > 1 && left > lanes)
      SumTaps<most_vectors>(problem, args, o, HWY_MIN(left - lanes, lanes));
    else
      SumTaps<1>(problem, args, o, HWY_MIN(left, lanes));
  }
}

#else  // a register does not hold two rows of a patch; never chosen

void sum_taps(const ConvPoolKernelGradient::Problem&, const ConvPoolKernelGradient::Args<float>&) { HWY_ABORT("lookup needs AVX2"); }

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

// As measured: a lookup for each tap costs more than its product.
double LookupKernelGradient::cost(const ConvPoolKernelGradient::Problem& problem) {
  return 2.6 * static_cast<double>(problem.pool.out_height * problem.pool.out_width * kernel_size(problem.conv));
}

void LookupKernelGradient::run(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(sum_taps)(problem, args);
}

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
