// ConvKernelGradient by Winograd as in winograd_kernel_gradient.cc, with the 16 products in bfloat16, two tiles at a time. The transforms
// are in float32; their results V and W are rounded before the products.
//
// Loop nest:  for each chunk of tiles (of all images of the call)
//               for each tile, vector of channels: V[16][plane of 16 channels][pair of tiles][channel][2] = B^T (4x4 patch) B, rounded
//               for each tile, vector of output channels: W[16][vector][pair of tiles][output][2] = A (2x2 gradients) A^T, rounded
//               for each of 16 points: sums[point] += V[point]^T W[point], the tiles of gemm/contract.inc
//             for each channel, vector of output channels: G^T sums G
// Registers:  16 of the patch, the tile or the sums, and a few.
// Bound:      |error| <= (2^-7 + c eps) |G^T| [sum of (|B^T||d||B|) . (|A||dY||A^T|)] |G|. An odd last tile has zeros beside it.
// Measured:   see docs/decisions/bfloat16.md.
#include "kernels/conv/direct.h"
#include "kernels/conv/winograd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/winograd_kernel_gradient_bf16.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "core/checked.h"
#include "kernels/conv/winograd_gradient-inl.h"
#include "kernels/gemm/bf16-inl.h"
#include "kernels/gemm/bf16.h"

#ifndef LINN_KERNELS_CONV_WINOGRAD_KERNEL_GRADIENT_BF16_ONCE
#define LINN_KERNELS_CONV_WINOGRAD_KERNEL_GRADIENT_BF16_ONCE
namespace linn::detail::kernels::conv {
namespace {

// Layout of V, W and the sums.
struct Bf16SumLayout {
  Bf16SumLayout(const Geometry& g, std::int64_t images)
      : planes(core::ceil_div(g.channels, bf16_columns)),
        vectors(core::ceil_div(g.out_channels, bf16_columns)),
        sum_point(planes * vectors * bf16_columns * bf16_columns + winograd_line) {
    const std::int64_t all = std::max<std::int64_t>(core::ceil_div(images * tiles_of(g).count(), 2), 1);
    most = std::min(all, std::max(chunk_elements / (winograd_points * (planes + vectors) * bf16_pair), least_pairs));
    pairs = core::ceil_div(all, core::ceil_div(all, most));
    v_plane = w_vector = pairs * bf16_pair;
    v_point = planes * v_plane + 2 * winograd_line;
    w_point = vectors * w_vector + 2 * winograd_line;
  }
  // Grows with the number of images, so that scratch planned for the largest batch is enough for a smaller one.
  std::int64_t scratch() const {
    const std::int64_t elements = (planes + vectors) * most * bf16_pair + 4 * winograd_line;
    return winograd_points * (floats_of_bf16(elements) + sum_point) + winograd_line;
  }

  std::int64_t planes, vectors;  // of 16 channels, of 16 outputs
  std::int64_t sum_point, v_point, w_point, v_plane, w_vector;
  std::int64_t most, pairs;  // largest allowed number in a chunk; number in a chunk, such that all chunks have about the same size

 private:
  static constexpr std::int64_t chunk_elements = 524288;  // of V and W: 1 MiB, as in float32
  static constexpr std::int64_t least_pairs = 64;
};

}  // namespace
}  // namespace linn::detail::kernels::conv
#endif

#if HWY_TARGET == HWY_AVX3
LINN_BEFORE_BF16();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::Bf16SumLayout;
using conv::winograd_points;

// The first tile of a pair is stored with zeros as its partner; the second tile replaces the zeros.
template <bool kSecond>
HWY_INLINE void StoreHalves(const V (&tile)[16], Bf16* to, std::int64_t point) {
#pragma GCC unroll 16
  for (int p = 0; p < 16; ++p) {
    __m512i halves = _mm512_cvtepu16_epi32(RoundVector(tile[p]));
    if (kSecond) halves = _mm512_or_si512(_mm512_loadu_si512(to + p * point), _mm512_slli_epi32(halves, 16));
    _mm512_storeu_si512(to + p * point, halves);
  }
}

template <bool kInside, bool kSecond>
HWY_NOINLINE void TransformPatchToHalves(const Geometry& g, const float* src, std::int64_t y, std::int64_t x, std::int64_t count, Bf16* v,
                                         std::int64_t v_point) {
  V patch[16];
  LoadPatch<2, kInside>(g, src, y, x, count, patch);
  StoreHalves<kSecond>(patch, v, v_point);
}

void transform_patches(const Geometry& g, const conv::Tiles& tiles, const Bf16SumLayout& layout, const float* src, std::int64_t first,
                       std::int64_t count, Bf16* v) {
  EachPatch<2>(
      g, tiles, src, first, count,
      [&](std::int64_t t, std::int64_t c, const float* patch, std::int64_t y, std::int64_t x, std::int64_t part, bool whole) {
        Bf16* to = v + c / lanes * layout.v_plane + t / 2 * bf16_pair;
        if (t % 2 == 0)
          (whole ? TransformPatchToHalves<true, false> : TransformPatchToHalves<false, false>)(g, patch, y, x, part, to, layout.v_point);
        else
          (whole ? TransformPatchToHalves<true, true> : TransformPatchToHalves<false, true>)(g, patch, y, x, part, to, layout.v_point);
      });
}

template <bool kSecond>
HWY_NOINLINE void TransformGradientToHalves(const Geometry& g, const float* ddst, std::int64_t height, std::int64_t width, std::int64_t count,
                                            Bf16* w, std::int64_t w_point) {
  V tile[16];
  LoadGradient<2>(g, ddst, height, width, count, tile);
  StoreHalves<kSecond>(tile, w, w_point);
}

void transform_gradients(const Geometry& g, const conv::Tiles& tiles, const Bf16SumLayout& layout, const float* ddst, std::int64_t first,
                         std::int64_t count, Bf16* w) {
  EachTile(tiles, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t tile_y, std::int64_t tile_x) {
    const std::int64_t y = 2 * tile_y, x = 2 * tile_x;
    const float* from = ddst + image * g.dst_image + y * g.dst_row + x * g.dst_pixel;
    for (std::int64_t k = 0; k < g.out_channels; k += lanes)
      (t % 2 == 0 ? TransformGradientToHalves<false>
                  : TransformGradientToHalves<true>)(g, from + k, g.out_height - y, g.out_width - x, g.out_channels - k,
                                                     w + k / lanes * layout.w_vector + t / 2 * bf16_pair, layout.w_point);
  });
}

// sums[point][channel][output]: whole planes of channels, then the last.
void add_products(const Geometry& g, const Bf16SumLayout& layout, const Bf16* v, const Bf16* w, std::int64_t pairs, bool add, float* sums) {
  const std::int64_t whole = g.channels / bf16_columns, outputs = layout.vectors * bf16_columns;
  Bf16Contraction x = {.rows = {1, whole, bf16_columns},
                       .a_row = {0, layout.v_plane, 2},
                       .c_row = {0, bf16_columns * outputs, outputs},
                       .pairs = {1, 1, pairs},
                       .a_pair = {0, 0, bf16_pair},
                       .b_pair = {0, 0, bf16_pair},
                       .columns = outputs,
                       .b_vector = layout.w_vector,
                       .products = winograd_points,
                       .a_product = layout.v_point,
                       .b_product = layout.w_point,
                       .c_product = layout.sum_point,
                       .a = v,
                       .b = w,
                       .c = sums,
                       .add = add};
  contract_bf16(x);
  x.rows = {1, 1, g.channels % bf16_columns};
  x.a += whole * layout.v_plane;
  x.c += whole * bf16_columns * outputs;
  contract_bf16(x);
}

}  // namespace

void winograd_kernel_gradient_bf16(const Geometry& g, const ConvKernelGradient::Args<float>& args) {
  const Bf16SumLayout layout(g, args.images);
  const conv::Tiles tiles = conv::tiles_of(g);
  const std::int64_t all = args.images * tiles.count();
  auto* sums = core::align_up<float>(args.scratch, 64);
  auto* v = reinterpret_cast<Bf16*>(sums + winograd_points * layout.sum_point);
  Bf16* w = v + winograd_points * layout.v_point;
  for (std::int64_t first = 0; first < all; first += 2 * layout.pairs) {
    const std::int64_t count = HWY_MIN(2 * layout.pairs, all - first);
    transform_patches(g, tiles, layout, args.src, first, count, v);
    transform_gradients(g, tiles, layout, args.ddst, first, count, w);
    add_products(g, layout, v, w, (count + 1) / 2, first > 0, sums);
  }
  InverseTaps<2>(g, sums, layout.sum_point, layout.vectors * bf16_columns, args.dkernel);
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
LINN_AFTER_BF16();
#endif  // HWY_AVX3

#if HWY_ONCE
namespace linn::detail::kernels::conv {

bool Bf16WinogradKernelGradient::supports(const Geometry& g) { return is_winograd(g) && Bf16KernelGradient::supports(g); }

// Like winograd_gradient_cost, with products that take half the time.
double Bf16WinogradKernelGradient::cost(const Geometry& g) {
  const std::int64_t c = g.channels, k = g.out_channels;
  return least_gain * static_cast<double>(winograd_points * (tiles_of(g).count() * (c * k + 12 * (c + k)) + 2 * c * k)) / 2;
}

std::int64_t Bf16WinogradKernelGradient::scratch(const Geometry& g, std::int64_t images) { return Bf16SumLayout(g, images).scratch(); }

void Bf16WinogradKernelGradient::run(const Geometry& g, const ConvKernelGradient::Args<float>& args) {
  N_AVX3::winograd_kernel_gradient_bf16(g, args);
}

}  // namespace linn::detail::kernels::conv
#endif
