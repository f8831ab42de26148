// The binomial blur in two passes, NHWC.
//
// Forward, for each output row y: line[x,c] = sum over i of w[i] src[y*sh + i, x, c], then dst[y,x,c] = sum over j of w[j] line[x*sw + j,
// c]. Gradient, for each row p of the map: line[x,c] = sum over outputs y that see p of w[p - y*sh] ddst[y,x,c], then dsrc[p,q,c] = sum
// over outputs x that see q of w[q - x*sw] line[x,c]. Each is a weighted sum of up to seven runs of memory. Down the columns a run is a
// whole row; along the rows it is a whole row with stride 1 (of a gradient its inner part), else the channels of a pixel. m + m products
// for m * m of the definition (stride s: s * m + m). The line stays in the first-level cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/blur/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>

#include "kernels/blur/vector.h"
#include "kernels/eltwise/for_each-inl.h"
#include "kernels/pool/window.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::blur {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::for_each;

using Weights = std::array<float, most_blur_taps>;

/// dst[k] = the sum over i < taps of weights[i] from[i * step + k].
template <int taps>
struct WeightedSum {
  const float* from;
  std::int64_t step;
  const Weights& weights;
  float* dst;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t k) const {
    auto sum = hn::Zero(d);
    if constexpr (taps > 0) sum = hn::Mul(hn::Set(d, weights[0]), hn::LoadU(d, from + k));
#pragma GCC unroll 8
    for (int i = 1; i < taps; ++i)
      sum = hn::MulAdd(hn::Set(d, weights[static_cast<std::size_t>(i)]), hn::LoadU(d, from + i * step + k), sum);
    hn::StoreU(sum, d, dst + k);
  }
};

/// The same for a count of elements.
HWY_INLINE void weighted_sum(std::int64_t taps, const Weights& weights, const float* from, std::int64_t step, std::int64_t count,
                             float* dst) {
  switch (taps) {
    case 0: return for_each(count, WeightedSum<0>{from, step, weights, dst});
    case 1: return for_each(count, WeightedSum<1>{from, step, weights, dst});
    case 2: return for_each(count, WeightedSum<2>{from, step, weights, dst});
    case 3: return for_each(count, WeightedSum<3>{from, step, weights, dst});
    case 4: return for_each(count, WeightedSum<4>{from, step, weights, dst});
    case 5: return for_each(count, WeightedSum<5>{from, step, weights, dst});
    case 6: return for_each(count, WeightedSum<6>{from, step, weights, dst});
    default: return for_each(count, WeightedSum<7>{from, step, weights, dst});
  }
}

void forward(const BlurForward::Problem& problem, const BlurForward::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const Weights down = blur_weights(g.window_height), along = blur_weights(g.window_width);
  const std::int64_t channels = g.channels, seen_columns = (g.out_width - 1) * g.stride_width + g.window_width;
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t y = 0; y < g.out_height; ++y) {
      const float* src = args.src + image * g.src_image + y * g.stride_height * g.src_row;
      float* dst = args.dst + image * g.dst_image + y * g.dst_row;
      weighted_sum(g.window_height, down, src, g.src_row, seen_columns * channels, args.scratch);
      if (g.stride_width == 1) {
        weighted_sum(g.window_width, along, args.scratch, channels, g.out_width * channels, dst);
        continue;
      }
      for (std::int64_t x = 0; x < g.out_width; ++x)
        weighted_sum(g.window_width, along, args.scratch + x * g.stride_width * channels, channels, channels, dst + x * channels);
    }
}

/// The outputs that see a position of an axis, and the weights with which they do.
struct Seers {
  std::int64_t first = 0, count = 0;
  Weights weights = {};

  Seers(const pool::Axis& axis, const Weights& taps, std::int64_t position) {
    const pool::Range seen = axis.seen_by(position);
    for (std::int64_t output = seen.begin; output < seen.end; ++output)
      weights[static_cast<std::size_t>(output - seen.begin)] = taps[static_cast<std::size_t>(position - output * axis.stride)];
    count = seen.size();
    first = count > 0 ? seen.begin : 0;
  }
};

/// One row of the map's gradient, of what came down the columns.
HWY_INLINE void gradient_row(const Geometry& g, const Weights& along, const float* line, float* dsrc) {
  const pool::Axis columns = pool::columns_of(g);
  const std::int64_t channels = g.channels, inner = g.window_width - 1, inner_end = std::min(g.width, g.out_width);
  for (std::int64_t column = 0; column < g.width;) {
    const Seers seers(columns, along, column);
    const std::int64_t run = g.stride_width == 1 && column == inner && inner < inner_end ? inner_end - inner : 1;
    weighted_sum(seers.count, seers.weights, line + seers.first * channels, channels, run * channels, dsrc + column * channels);
    column += run;
  }
}

void gradient(const BlurInputGradient::Problem& problem, const BlurInputGradient::Args<float>& args) {
  const Geometry& g = problem.geometry;
  const Weights down = blur_weights(g.window_height), along = blur_weights(g.window_width);
  const pool::Axis rows = pool::rows_of(g);
  for (std::int64_t image = 0; image < args.images; ++image)
    for (std::int64_t row = 0; row < g.height; ++row) {
      const Seers seers(rows, down, row);
      const float* ddst = args.ddst + image * g.dst_image + seers.first * g.dst_row;
      weighted_sum(seers.count, seers.weights, ddst, g.dst_row, g.out_width * g.channels, args.scratch);
      gradient_row(g, along, args.scratch, args.dsrc + image * g.src_image + row * g.src_row);
    }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::kernels::blur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::kernels::blur {

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

}  // namespace linn::kernels::blur
#endif
