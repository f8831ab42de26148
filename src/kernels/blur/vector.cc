// The binomial blur in two passes, NHWC.
//
// Forward, for each output row y: line[x,c] = sum over i of w[i] src[y*sh + i, x, c], then
// dst[y,x,c] = sum over j of w[j] line[x*sw + j, c].
// Gradient, for each row p of the map: line[x,c] = sum over outputs y that see p of w[p - y*sh] ddst[y,x,c], then dsrc[p,q,c] = sum over
// outputs x that see q of w[q - x*sw] line[x,c].
// Each pass is a weighted sum of up to seven runs of memory. Down the columns a run is a whole row. Along the rows a run is the channels of
// a pixel; pixels one stride apart have the same terms, and with stride 1 they form one long pixel. The line stays in the L1 cache.
// Registers: the sum and one value. s*m + m products for each output; the definition has m*m.
// Measured (Zen 4, AVX-512, one core, maps in L2, 32 channels, stride 2): 3x3 forward 100 GB/s read and written, a copy 270.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/blur/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>

#include "core/checked.h"
#include "kernels/blur/vector.h"
#include "kernels/eltwise/for_each-inl.h"
#include "kernels/pool/window.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::blur {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::for_each;

using Taps = std::array<float, most_blur_taps>;

/// Runs of memory `step` apart, and their weights, `weight_step` apart.
struct Terms {
  std::int64_t count;
  const float* from;
  std::int64_t step;
  const float* weight;
  std::int64_t weight_step;
};

/// dst[k] = the sum over i < count of weight[i * weight_step] from[i * step + k].
template <int count>
struct WeightedSum {
  Terms terms;
  float* dst;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t k) const {
    auto sum = hn::Zero(d);
    if constexpr (count > 0) sum = hn::Mul(hn::Set(d, *terms.weight), hn::LoadU(d, terms.from + k));
#pragma GCC unroll 8
    for (std::int64_t i = 1; i < count; ++i)
      sum = hn::MulAdd(hn::Set(d, terms.weight[i * terms.weight_step]), hn::LoadU(d, terms.from + i * terms.step + k), sum);
    hn::StoreU(sum, d, dst + k);
  }
};

/// A number of sums with the same weights: their pitches in `from` and in dst, and the elements of each.
struct Sums {
  std::int64_t count, from_step, dst_step, elements;
};

template <int count>
HWY_INLINE void weighted_sums_of(Terms terms, const Sums& sums, float* dst) {
  for (std::int64_t i = 0; i < sums.count; ++i, terms.from += sums.from_step, dst += sums.dst_step)
    for_each(sums.elements, WeightedSum<count>{terms, dst});
}

HWY_NOINLINE void weighted_sums(const Terms& terms, const Sums& sums, float* dst) {
  switch (terms.count) {
    case 0: return weighted_sums_of<0>(terms, sums, dst);
    case 1: return weighted_sums_of<1>(terms, sums, dst);
    case 2: return weighted_sums_of<2>(terms, sums, dst);
    case 3: return weighted_sums_of<3>(terms, sums, dst);
    case 4: return weighted_sums_of<4>(terms, sums, dst);
    case 5: return weighted_sums_of<5>(terms, sums, dst);
    case 6: return weighted_sums_of<6>(terms, sums, dst);
    default: return weighted_sums_of<7>(terms, sums, dst);
  }
}

/// The sums of `count` pixels of a row; one long pixel if they are dense.
HWY_INLINE Sums pixels(std::int64_t count, std::int64_t from_step, std::int64_t dst_step, std::int64_t channels) {
  if (from_step == channels && dst_step == channels) return {1, 0, 0, count * channels};
  return {count, from_step, dst_step, channels};
}

void forward(const BlurForward::Problem& problem, const BlurForward::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const Taps down = blur_weights(g.window_height), along = blur_weights(g.window_width);
  const std::int64_t channels = g.channels, seen_columns = (g.out_width - 1) * g.stride_width + g.window_width;
  const Sums line = {1, 0, 0, seen_columns * channels}, row = pixels(g.out_width, g.stride_width * channels, channels, channels);
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t y = 0; y < g.out_height; ++y) {
      const float* src = args.src + image * g.src_image + y * g.stride_height * g.src_row;
      weighted_sums({g.window_height, src, g.src_row, down.data(), 1}, line, args.scratch);
      weighted_sums({g.window_width, args.scratch, channels, along.data(), 1}, row, args.dst + image * g.dst_image + y * g.dst_row);
    }
}

/// The terms of one position of an axis: the gradients, `step` apart, of the outputs whose window contains it, first to last.
HWY_INLINE Terms seen_by(const pool::Axis& axis, const Taps& taps, std::int64_t position, const float* ddst, std::int64_t step) {
  const pool::Range outputs = axis.seen_by(position);
  if (outputs.size() == 0) return {0, ddst, step, taps.data(), 0};
  return {outputs.size(), ddst + outputs.begin * step, step, taps.data() + (position - outputs.begin * axis.stride), -axis.stride};
}

/// One row of the map's gradient, from the line of the pass down the columns. Pixels one stride apart have the same terms where all taps
/// reach them.
HWY_INLINE void gradient_row(const Geometry& g, const Taps& along, const float* line, float* dsrc) {
  const pool::Axis columns = pool::columns_of(g);
  const std::int64_t channels = g.channels, stride = g.stride_width;
  const pool::Range inner = pool::Range{g.window_width - 1, (g.out_width - 1) * stride + 1}.in({0, g.width});
  const auto sums = [&](std::int64_t column, std::int64_t count) {
    weighted_sums(seen_by(columns, along, column, line, channels), pixels(count, channels, stride * channels, channels),
                  dsrc + column * channels);
  };
  for (std::int64_t column = 0; column < inner.begin; ++column) sums(column, 1);
  for (std::int64_t column = inner.begin; column < std::min(inner.begin + stride, inner.end); ++column)
    sums(column, core::ceil_div(inner.end - column, stride));
  for (std::int64_t column = inner.end; column < g.width; ++column) sums(column, 1);
}

void gradient(const BlurInputGradient::Problem& problem, const BlurInputGradient::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const Taps down = blur_weights(g.window_height), along = blur_weights(g.window_width);
  const pool::Axis rows = pool::rows_of(g);
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t row = 0; row < g.height; ++row) {
      const Terms terms = seen_by(rows, down, row, args.ddst + image * g.dst_image, g.dst_row);
      weighted_sums(terms, {1, 0, 0, g.out_width * g.channels}, args.scratch);
      gradient_row(g, along, args.scratch, args.dsrc + image * g.src_image + row * g.src_row);
    }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::blur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::blur {

HWY_EXPORT(forward);
HWY_EXPORT(gradient);

std::int64_t Separable::scratch(const BlurForward::Problem& problem, std::int64_t) {
  const Geometry& g = problem.geometry;
  return ((g.out_width - 1) * g.stride_width + g.window_width) * g.channels;
}
void Separable::run(const BlurForward::Problem& problem, const BlurForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(forward)(problem, args);
}

std::int64_t SeparableGradient::scratch(const BlurInputGradient::Problem& problem, std::int64_t) {
  return problem.geometry.out_width * problem.geometry.channels;
}
void SeparableGradient::run(const BlurInputGradient::Problem& problem, const BlurInputGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(gradient)(problem, args);
}

}  // namespace linn::detail::kernels::blur
#endif
