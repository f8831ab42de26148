// The transforms of Winograd's F(2x2, 3x3), for the files that put products between them. Included once a target.
#if defined(LINN_KERNELS_CONV_WINOGRAD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_CONV_WINOGRAD_INL_H
#undef LINN_KERNELS_CONV_WINOGRAD_INL_H
#else
#define LINN_KERNELS_CONV_WINOGRAD_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "kernels/conv/pooling-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::HWY_NAMESPACE {

/// Calls visit(t, image, y, x) for windows first, first + 1, ... of all windows of a call, t = 0, 1, ...
template <class Visit>
HWY_INLINE void EachWindow(const Geometry& pool, std::int64_t first, std::int64_t count, const Visit& visit) {
  std::int64_t image = first / (pool.out_height * pool.out_width), y = first / pool.out_width % pool.out_height, x = first % pool.out_width;
  for (std::int64_t t = 0; t < count; ++t) {
    visit(t, image, y, x);
    if (++x < pool.out_width) continue;
    x = 0;
    if (++y < pool.out_height) continue;
    y = 0, ++image;
  }
}

/// b = B^T d of one column (or row) of a patch, at a distance of `step` vectors.
HWY_INLINE void TransformLine(V* d, int step) {
  const V d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  d[0] = hn::Sub(d0, d2);
  d[step] = hn::Add(d1, d2);
  d[2 * step] = hn::Sub(d2, d1);
  d[3 * step] = hn::Sub(d1, d3);
}

/// B^T d B of a patch d[4 i + j].
HWY_INLINE void TransformSquare(V* d) {
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) TransformLine(d + j, 4);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) TransformLine(d + 4 * i, 1);
}

/// One vector of channels of one window, transformed: d[i][j] lies at src + i * row + j * pixel where the map has it, else it is zero.
/// kInside: all of it lies in the map, and there is a whole vector.
template <bool kInside>
HWY_INLINE void LoadPatch(const Geometry& g, const float* src, std::int64_t y, std::int64_t x, std::int64_t count, V* patch) {
  const D d;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const float* at = src + i * g.src_row + j * g.src_pixel;
      if (kInside)
        patch[4 * i + j] = hn::LoadU(d, at);
      else if (y + i < 0 || y + i >= g.height || x + j < 0 || x + j >= g.width)
        patch[4 * i + j] = hn::Zero(d);
      else
        patch[4 * i + j] = LoadCount(at, count);
    }
  TransformSquare(patch);
}

/// Calls visit(t, c, patch, y, x, count, whole) for the vectors of channels c, c + 1, ... of windows first, first + 1, ..., whose patch
/// begins at `patch`, row y and column x of the map. whole: LoadPatch<true> may be used.
template <class Visit>
HWY_INLINE void EachPatch(const ConvPoolForward::Problem& problem, const float* src, std::int64_t first, std::int64_t count,
                          const Visit& visit) {
  const Geometry& g = problem.conv;
  EachWindow(problem.pool, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t window_y, std::int64_t window_x) {
    const std::int64_t y = 2 * window_y - g.pad_top, x = 2 * window_x - g.pad_left;
    const float* patch = src + image * g.src_image + y * g.src_row + x * g.src_pixel;
    const bool inside = y >= 0 && y + 4 <= g.height && x >= 0 && x + 4 <= g.width;
    for (std::int64_t c = 0; c < g.channels; c += lanes) {
      const std::int64_t part = HWY_MIN(lanes, g.channels - c);
      visit(t, c, patch + c, y, x, part, inside && part == lanes);
    }
  });
}

/// u = G g of three taps at a distance of `step`; four results.
HWY_INLINE void TransformTapLine(V g0, V g1, V g2, V* u, int step) {
  const V half = hn::Set(D(), 0.5f), sum = hn::Mul(half, hn::Add(g0, g2)), middle = hn::Mul(half, g1);
  u[0] = g0;
  u[step] = hn::Add(sum, middle);
  u[2 * step] = hn::Sub(sum, middle);
  u[3 * step] = g2;
}

/// U = G g G^T of channel c and the output channels from k on, zeros beyond the last of either.
HWY_INLINE void TransformTaps(const Geometry& g, const float* kernel, std::int64_t c, std::int64_t k, V (&u)[16]) {
  V taps[9], half[12];
  for (int t = 0; t < 9; ++t)
    taps[t] = c < g.channels && k < g.out_channels ? LoadCount(kernel + (t * g.channels + c) * g.out_channels + k, g.out_channels - k)
                                                   : hn::Zero(D());
  for (int j = 0; j < 3; ++j) TransformTapLine(taps[j], taps[3 + j], taps[6 + j], half + j, 3);
  for (int i = 0; i < 4; ++i) TransformTapLine(half[3 * i], half[3 * i + 1], half[3 * i + 2], u + 4 * i, 1);
}

/// M[point][window][output channel]: the products of a chunk of windows.
struct Products {
  const float* at;
  std::int64_t point, window;  // from one to the next
};

/// A^T M A of one vector of output channels of one window, pooled. The inverse spreads what is added to M[1][1], the bias, to all cells.
template <Pooled kPooled>
HWY_INLINE void PoolTile(const float* m, std::int64_t m_point, V bias, bool relu, float* dst, std::uint8_t* argmax, std::int64_t count) {
  const D d;
  V top[4], bottom[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const V m0 = hn::Load(d, m + j * m_point), m2 = hn::Load(d, m + (8 + j) * m_point), m3 = hn::Load(d, m + (12 + j) * m_point);
    V m1 = hn::Load(d, m + (4 + j) * m_point);
    if (j == 1) m1 = hn::Add(m1, bias);
    top[j] = hn::Add(hn::Add(m0, m1), m2);
    bottom[j] = hn::Sub(hn::Sub(m1, m2), m3);
  }
  PoolCells<kPooled>(hn::Add(hn::Add(top[0], top[1]), top[2]), hn::Sub(hn::Sub(top[1], top[2]), top[3]),
                     hn::Add(hn::Add(bottom[0], bottom[1]), bottom[2]), hn::Sub(hn::Sub(bottom[1], bottom[2]), bottom[3]), relu, dst,
                     argmax, count);
}

template <Pooled kPooled>
HWY_NOINLINE void PoolTilesAs(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args, const Products& m,
                              std::int64_t first, std::int64_t count) {
  const Geometry& pool = problem.pool;
  const std::int64_t outputs = problem.conv.out_channels;
  const bool relu = problem.activation == Activation::relu;
  EachWindow(pool, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t y, std::int64_t x) {
    float* dst = args.dst + image * pool.dst_image + y * pool.dst_row + x * pool.dst_pixel;
    std::uint8_t* argmax = kPooled == Pooled::argmax ? args.argmax + (first + t) * outputs : nullptr;
    for (std::int64_t k = 0; k < outputs; k += lanes) {
      const std::int64_t part = HWY_MIN(lanes, outputs - k);
      const V bias = problem.bias ? LoadCount(args.bias + k, part) : hn::Zero(D());
      PoolTile<kPooled>(m.at + t * m.window + k, m.point, bias, relu, dst + k, kPooled == Pooled::argmax ? argmax + k : nullptr, part);
    }
  });
}

/// Windows first, first + 1, ... of a call from their products to dst and argmax.
HWY_INLINE void PoolTiles(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args, const Products& m,
                          std::int64_t first, std::int64_t count) {
  if (problem.kind == PoolKind::average)
    PoolTilesAs<Pooled::average>(problem, args, m, first, count);
  else if (problem.argmax)
    PoolTilesAs<Pooled::argmax>(problem, args, m, first, count);
  else
    PoolTilesAs<Pooled::max>(problem, args, m, first, count);
}

}  // namespace linn::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
