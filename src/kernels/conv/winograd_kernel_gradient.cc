// ConvKernelGradient by the transposed transforms of Winograd's F(2x2, 3x3) and F(4x4, 3x3). The patches d of the input are those of the
// forward pass; the gradients dY of a tile take the place of the taps: dkernel = G^T [sum over tiles of (B^T d B) (A dY A^T)] G.
//
// Loop nest:  for each chunk of tiles (of all images of the call)
//               for each tile, vector of channels: V[16][tile][channel] = B^T (4x4 patch) B
//               for each tile, vector of output channels: W[16][panel][tile][output] = A (2x2 gradients) A^T
//               for each of 16 points, panel of 32 output channels: sums[point] += V[point]^T W[point], the tiles of gemm/contract.inc
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

#include "core/checked.h"
#include "kernels/conv/winograd_gradient-inl.h"
#include "kernels/gemm/contract.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

template <int kTile>
HWY_NOINLINE void TransformGradient(const Geometry& g, const float* ddst, std::int64_t height, std::int64_t width, std::int64_t count,
                                    float* w, std::int64_t w_point) {
  constexpr int points = conv::points_of(kTile);
  V tile[points];
  LoadGradient<kTile>(g, ddst, height, width, count, tile);
#pragma GCC unroll 36
  for (int p = 0; p < points; ++p) hn::Store(tile[p], D(), w + p * w_point);
}

template <int kTile>
void TransformGradients(const Geometry& g, const conv::Tiles& tiles, const conv::WinogradSumLayout& layout, const float* ddst,
                        std::int64_t first, std::int64_t count, float* w) {
  EachTile(tiles, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t tile_y, std::int64_t tile_x) {
    const std::int64_t y = kTile * tile_y, x = kTile * tile_x;
    const float* from = ddst + image * g.dst_image + y * g.dst_row + x * g.dst_pixel;
    for (std::int64_t panel = 0; panel < layout.outputs; panel += layout.panel) {
      const std::int64_t columns = HWY_MIN(layout.panel, layout.outputs - panel);
      float* to = w + panel * count + t * layout.panel;
      for (std::int64_t k = 0; k < columns; k += lanes)
        TransformGradient<kTile>(g, from + panel + k, g.out_height - y, g.out_width - x, g.out_channels - panel - k, to + k,
                                 layout.w_point);
    }
  });
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
    contract({.rows = {1, 1, g.channels},
              .a_row = {0, 0, 1},
              .c_row = {0, 0, layout.outputs},
              .terms = {1, 1, count},
              .a_term = {0, 0, layout.channels},
              .b_term = {0, 0, layout.panel},
              .columns = layout.outputs,
              .b_panel = layout.panel * count,
              .products = layout.points,
              .a_product = layout.v_point,
              .b_product = layout.w_point,
              .c_product = layout.sum_point,
              .a = v,
              .b = w,
              .c = sums,
              .add = first > 0});
  }
  InverseTaps<kTile>(g, sums, layout.sum_point, layout.outputs, args.dkernel);
}

void winograd_kernel_gradient(int tile, const Geometry& g, const ConvKernelGradient::Args<float>& args) {
  tile == 2 ? RunKernelGradient<2>(g, args) : RunKernelGradient<4>(g, args);
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(winograd_kernel_gradient);

namespace conv {

template <int kTile>
bool WinogradKernelGradientOf<kTile>::supports(const Geometry& g) {
  return is_winograd(g) && (kTile == 2 || has_winograd4_channels(g));
}

template <int kTile>
double WinogradKernelGradientOf<kTile>::cost(const Geometry& g) {
  return least_gain * static_cast<double>(winograd_gradient_cost(g, kTile));
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
}  // namespace linn::detail::kernels
#endif
