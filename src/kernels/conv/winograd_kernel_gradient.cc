// ConvKernelGradient by Winograd: F(2x2, 3x3) and F(4x4, 3x3) read backwards. What is an output's patch there is the same here, and the
// gradients of a tile stand where the taps stood: dkernel = G^T [sum over tiles of (B^T d B) (A dY A^T)] G.
//
// Loop nest:  for each chunk of tiles (of all images of the call)
//               for each tile, vector of channels: V[16][tile][channel] = B^T (4x4 patch) B
//               for each tile, vector of output channels: W[16][panel][tile][output] = A (2x2 gradients) A^T
//               for each of 16 points, panel of 32 output channels: sums[point] += V[point]^T W[point], the tiles of gemm/contract.cc
//             for each channel, vector of output channels: G^T sums G
// (Of 4x4: 36 points, 6x6 patches and 4x4 gradients.)
// Registers:  16 of the patch, the tile or the sums, and a few. Of 4x4 the 36 are half on the stack.
// Bound:      |error| <= c eps |G^T| [sum of (|B^T||d||B|) . (|A||dY||A^T|)] |G|, c = 8, of 4x4 2 (seen: 0.7).
// Measured:   (Zen 5, one core, fraction of the multiply-add loop) products at 81 to 87 %; all, counted as the direct form, 1.4 to 1.7 from
//             64 channels on, of 4x4 1.9 to 2.9: see docs/engine.md.
#include "kernels/conv/winograd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/winograd_kernel_gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/conv/winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::HWY_NAMESPACE {
namespace {

// A y of kTile gradients; a result for each point, `step` apart. Of two the last has its sign turned.
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

// A dY A^T of one vector of output channels of one tile. No output beyond the map, which has `height` x `width` of the tile, or beyond the
// last channel, has a gradient.
template <int kTile>
HWY_NOINLINE void TransformGradient(const Geometry& g, const float* ddst, std::int64_t height, std::int64_t width, std::int64_t count,
                                    float* w, std::int64_t w_point) {
  constexpr int size = patch_of<kTile>;
  V half[size * kTile], tile[size * size];
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
#pragma GCC unroll 36
  for (int p = 0; p < size * size; ++p) hn::Store(tile[p], D(), w + p * w_point);
}

template <int kTile>
void TransformGradients(const Geometry& g, const conv::Tiles& tiles, const conv::WinogradSumLayout& layout, const float* ddst,
                        std::int64_t first, std::int64_t count, float* w) {
  EachTile(tiles, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t tile_y, std::int64_t tile_x) {
    const std::int64_t y = kTile * tile_y, x = kTile * tile_x;
    const float* from = ddst + image * g.dst_image + y * g.dst_row + x * g.dst_pixel;
    for (std::int64_t panel = 0; panel < layout.outputs; panel += conv::winograd_panel) {
      const std::int64_t columns = HWY_MIN(conv::winograd_panel, layout.outputs - panel);
      float* to = w + panel * count + t * columns;
      for (std::int64_t k = 0; k < columns; k += lanes)
        TransformGradient<kTile>(g, from + panel + k, g.out_height - y, g.out_width - x, g.out_channels - panel - k, to + k,
                                 layout.w_point);
    }
  });
}

// g = G^T u of the sums of all points, u_step apart: three taps, g_step apart.
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

template <int kTile>
void InverseTaps(const Geometry& g, const conv::WinogradSumLayout& layout, const float* sums, float* dkernel) {
  constexpr int size = patch_of<kTile>;
  const D d;
  for (std::int64_t c = 0; c < g.channels; ++c)
    for (std::int64_t k = 0; k < g.out_channels; k += lanes) {
      V u[size * size], half[3 * size], taps[9];
      for (int p = 0; p < size * size; ++p) u[p] = hn::Load(d, sums + p * layout.sum_point + c * layout.outputs + k);
      for (int j = 0; j < size; ++j) InverseTapLine<kTile>(u + j, size, half + j, size);
      for (int i = 0; i < 3; ++i) InverseTapLine<kTile>(half + size * i, 1, taps + 3 * i, 1);
      for (int t = 0; t < 9; ++t) StoreCount(taps[t], dkernel + (t * g.channels + c) * g.out_channels + k, g.out_channels - k);
    }
}

template <int kTile>
void RunKernelGradient(const Geometry& g, const ConvKernelGradient::Args<float>& args) {
  const Contract contract = contract_for_cpu();
  const conv::WinogradSumLayout layout(g, args.images, kTile);
  const conv::Tiles tiles = conv::tiles_of(g, kTile);
  const std::int64_t all = args.images * tiles.count();
  auto* v = core::align_up<float>(args.scratch, 64);
  float* w = v + layout.points * layout.v_point;
  float* sums = w + layout.points * layout.w_point;
  for (std::int64_t first = 0; first < all; first += layout.tiles) {
    const std::int64_t count = HWY_MIN(layout.tiles, all - first);
    TransformPatches<kTile>(g, tiles, args.src, first, count, v, layout.channels, layout.v_point);
    TransformGradients<kTile>(g, tiles, layout, args.ddst, first, count, w);
    for (std::int64_t p = 0; p < layout.points; ++p)
      for (std::int64_t k = 0; k < layout.outputs; k += conv::winograd_panel) {
        const std::int64_t columns = HWY_MIN(conv::winograd_panel, layout.outputs - k);
        contract({.rows = {1, 1, g.channels},
                  .a_row = {0, 0, 1},
                  .c_row = {0, 0, layout.outputs},
                  .terms = {1, 1, count},
                  .a_term = {0, 0, layout.channels},
                  .b_term = {0, 0, columns},
                  .columns = columns,
                  .a = v + p * layout.v_point,
                  .b = w + p * layout.w_point + k * count,
                  .c = sums + p * layout.sum_point + k,
                  .add = first > 0});
      }
  }
  InverseTaps<kTile>(g, layout, sums, args.dkernel);
}

void winograd_kernel_gradient(int tile, const Geometry& g, const ConvKernelGradient::Args<float>& args) {
  tile == 2 ? RunKernelGradient<2>(g, args) : RunKernelGradient<4>(g, args);
}

}  // namespace
}  // namespace linn::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::kernels {
HWY_EXPORT(winograd_kernel_gradient);

namespace conv {

template <int kTile>
bool WinogradKernelGradientOf<kTile>::accepts(const Geometry& g) {
  return kTile == 2 ? winograd_gradient_pays(g) : winograd4_gradient_pays(g);
}

template <int kTile>
std::int64_t WinogradKernelGradientOf<kTile>::scratch(const Geometry& g, std::int64_t images) {
  return WinogradSumLayout(g, images, kTile).scratch();
}

template <int kTile>
void WinogradKernelGradientOf<kTile>::run(const Geometry& g, const ConvKernelGradient::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(winograd_kernel_gradient)(kTile, g, args);
}

template struct WinogradKernelGradientOf<2>;
template struct WinogradKernelGradientOf<4>;

}  // namespace conv
}  // namespace linn::kernels
#endif
