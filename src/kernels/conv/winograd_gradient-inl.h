// Transforms of the kernel gradient: of the outputs' gradients, and from sums to taps. Included once for each target.
#if defined(LINN_KERNELS_CONV_WINOGRAD_GRADIENT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_CONV_WINOGRAD_GRADIENT_INL_H
#undef LINN_KERNELS_CONV_WINOGRAD_GRADIENT_INL_H
#else
#define LINN_KERNELS_CONV_WINOGRAD_GRADIENT_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "kernels/conv/winograd_transforms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {

/// w = A y of kTile gradients: one result for each point, `step` vectors apart. With kTile 2 the last result has the opposite sign; the
/// inverse (InverseTapLine) subtracts it.
template <int kTile>
HWY_INLINE void TransformGradientLine(const V* y, V* w, int step) {
  if constexpr (kTile == 2) {
    w[0] = y[0];
    w[step] = hn::Add(y[0], y[1]);
    w[2 * step] = hn::Sub(y[0], y[1]);
    w[3 * step] = y[1];
  } else {
    const V p = Constant(point_p), even_p = hn::MulAdd(Constant(p2), y[2], y[0]), odd_p = hn::MulAdd(Constant(p2), y[3], y[1]);
    const V q = Constant(point_q), even_q = hn::MulAdd(Constant(q2), y[2], y[0]), odd_q = hn::MulAdd(Constant(q2), y[3], y[1]);
    w[0] = y[0];
    w[step] = hn::MulAdd(p, odd_p, even_p);
    w[2 * step] = hn::NegMulAdd(p, odd_p, even_p);
    w[3 * step] = hn::MulAdd(q, odd_q, even_q);
    w[4 * step] = hn::NegMulAdd(q, odd_q, even_q);
    w[5 * step] = y[3];
  }
}

/// tile = A dY A^T for one vector of output channels of one tile, of which height x width outputs lie inside the map. Gradients outside the
/// map and beyond the last channel are zero.
template <int kTile>
HWY_INLINE void LoadGradient(const Geometry& g, const float* ddst, std::int64_t height, std::int64_t width, std::int64_t count, V* tile) {
  constexpr int size = patch_of<kTile>;
  V half[size * kTile];
#pragma GCC unroll 4
  for (int b = 0; b < kTile; ++b) {
    V column[kTile];
#pragma GCC unroll 4
    for (int a = 0; a < kTile; ++a)
      column[a] = a < height && b < width && count > 0 ? LoadCount(ddst + a * g.dst_row + b * g.dst_pixel, count) : hn::Zero(D());
    TransformGradientLine<kTile>(column, half + b, kTile);
  }
#pragma GCC unroll 6
  for (int i = 0; i < size; ++i) TransformGradientLine<kTile>(half + kTile * i, tile + size * i, 1);
}

/// g = G^T u of the sums of all points, `u_step` vectors apart: three taps, `g_step` apart.
template <int kTile>
HWY_INLINE void InverseTapLine(const V* u, int u_step, V* g, int g_step) {
  const V u1 = u[u_step], u2 = u[2 * u_step], u3 = u[3 * u_step];
  if constexpr (kTile == 2) {
    const V half = Constant(0.5f), sum = hn::Mul(half, hn::Add(u1, u2));
    g[0] = hn::Add(u[0], sum);
    g[g_step] = hn::Mul(half, hn::Sub(u1, u2));
    g[2 * g_step] = hn::Sub(sum, u3);
  } else {
    const V u4 = u[4 * u_step], even_p = hn::Mul(Constant(g_at_p), hn::Add(u1, u2)), odd_p = hn::Mul(Constant(g_at_p), hn::Sub(u1, u2));
    const V even_q = hn::Mul(Constant(g_at_q), hn::Add(u3, u4)), odd_q = hn::Mul(Constant(g_at_q), hn::Sub(u3, u4));
    g[0] = hn::MulAdd(Constant(g_at_0), u[0], hn::Add(even_p, even_q));
    g[g_step] = hn::MulAdd(Constant(point_p), odd_p, hn::Mul(Constant(point_q), odd_q));
    g[2 * g_step] = hn::MulAdd(Constant(p2), even_p, hn::MulAdd(Constant(q2), even_q, u[5 * u_step]));
  }
}

/// dkernel = G^T sums G for all channels, with sums[point][channel][output].
template <int kTile>
HWY_INLINE void InverseTaps(const Geometry& g, const float* sums, std::int64_t sum_point, std::int64_t outputs, float* dkernel) {
  constexpr int size = patch_of<kTile>;
  const D d;
  for (std::int64_t c = 0; c < g.channels; ++c)
    for (std::int64_t k = 0; k < g.out_channels; k += lanes) {
      V u[size * size], half[3 * size], taps[9];
      for (int p = 0; p < size * size; ++p) u[p] = hn::Load(d, sums + p * sum_point + c * outputs + k);
      for (int j = 0; j < size; ++j) InverseTapLine<kTile>(u + j, size, half + j, size);
      for (int i = 0; i < 3; ++i) InverseTapLine<kTile>(half + size * i, 1, taps + 3 * i, 1);
      for (int t = 0; t < 9; ++t) StoreCount(taps[t], dkernel + (t * g.channels + c) * g.out_channels + k, g.out_channels - k);
    }
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
