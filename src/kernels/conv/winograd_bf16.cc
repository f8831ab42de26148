// ConvPoolForward, ConvForward and ConvInputGradient by Winograd's F(2x2, 3x3), as in winograd_pool.cc and winograd_map.cc, with the 16
// products in bfloat16. The transforms are in float32; their results V and U are rounded before the products.
//
// Loop nest:  for each chunk of tiles (of all images of the call)
//               for each tile, vector of channels: V[16][tile][channel] = B^T (4x4 patch) B, rounded
//               for each of 16 points: M[point] = V[point] U[point], the tiles of gemm/contract.inc
//               for each tile, vector of output channels: A^T M A, pooled or stored
// Registers:  16 of the patch or the tile, and a few.
// Bound:      |error| <= (2^-7 + c eps) |A^T| [(|G||g||G^T|) . (|B^T||d||B|)] |A|. An infinity in a patch makes NaN of its whole tile.
//             Not position invariant.
// Measured:   see docs/decisions/bfloat16.md.
#include "kernels/conv/direct.h"
#include "kernels/conv/fused.h"
#include "kernels/conv/winograd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/winograd_bf16.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "core/checked.h"
#include "kernels/conv/winograd_pool-inl.h"
#include "kernels/gemm/bf16-inl.h"
#include "kernels/gemm/bf16.h"

#ifndef LINN_KERNELS_CONV_WINOGRAD_BF16_ONCE
#define LINN_KERNELS_CONV_WINOGRAD_BF16_ONCE
namespace linn::detail::kernels::conv {
namespace {

constexpr std::int64_t bf16_chunk_bytes = 320 * 1024;
constexpr std::int64_t bf16_line = 16;  // gap between two points in floats, so that the points do not fall into the same sets of the L1 cache

// Layout of V, M and U.
struct Bf16Layout {
  explicit Bf16Layout(const Geometry& g)
      : channels(core::round_up(g.channels, bf16_columns)), outputs(core::round_up(g.out_channels, bf16_columns)) {
    const std::int64_t most = bf16_chunk_bytes / (winograd_points * (2 * channels + 4 * outputs));
    tiles = std::max<std::int64_t>(most / 13 * 13, 13);  // 13 rows are a whole tile of the product
    v_point = tiles * channels + 2 * bf16_line;
    m_point = tiles * outputs + bf16_line;
    u_point = packed_bf16(1, g.channels, outputs);
  }
  std::int64_t scratch() const { return winograd_points * (m_point + floats_of_bf16(v_point)) + bf16_line; }
  std::int64_t packed() const { return floats_of_bf16(winograd_points * u_point); }

  std::int64_t channels, outputs;          // rounded up to vectors
  std::int64_t tiles;                      // of a chunk
  std::int64_t v_point, m_point, u_point;  // pitches of the points
};

}  // namespace
}  // namespace linn::detail::kernels::conv
#endif

#if HWY_TARGET == HWY_AVX3
LINN_BEFORE_BF16();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::winograd_points;
using conv::Bf16Layout;

template <bool kInside>
HWY_NOINLINE void TransformPatchToBf16(const Geometry& g, const float* src, std::int64_t y, std::int64_t x, std::int64_t count, Bf16* v,
                                       std::int64_t v_point) {
  V patch[16];
  LoadPatch<2, kInside>(g, src, y, x, count, patch);
#pragma GCC unroll 16
  for (int p = 0; p < 16; ++p) _mm256_storeu_si256(reinterpret_cast<__m256i*>(v + p * v_point), RoundVector(patch[p]));
}

// Computes the products of all tiles of a call, chunk by chunk, and calls finish(products, first, count) after each chunk.
template <class Finish>
void each_chunk(const Geometry& g, const conv::Tiles& tiles, std::int64_t images, const float* src, const float* packed, float* scratch,
                const Finish& finish) {
  const Bf16Layout layout(g);
  const std::int64_t all = images * tiles.count();
  auto* m = core::align_up<float>(scratch, 64);
  auto* v = reinterpret_cast<Bf16*>(m + winograd_points * layout.m_point);
  for (std::int64_t first = 0; first < all; first += layout.tiles) {
    const std::int64_t count = HWY_MIN(layout.tiles, all - first);
    EachPatch<2>(g, tiles, src, first, count,
              [&](std::int64_t t, std::int64_t c, const float* patch, std::int64_t y, std::int64_t x, std::int64_t part, bool whole) {
                (whole ? TransformPatchToBf16<true> : TransformPatchToBf16<false>)(g, patch, y, x, part, v + t * layout.channels + c,
                                                                                   layout.v_point);
              });
    contract_bf16({.rows = {1, 1, count},
                   .a_row = {0, 0, layout.channels},
                   .c_row = {0, 0, layout.outputs},
                   .pairs = {1, 1, (g.channels + 1) / 2},
                   .a_pair = {0, 0, 2},
                   .b_pair = {0, 0, bf16_pair},
                   .odd = g.channels % 2 != 0,
                   .columns = layout.outputs,
                   .b_vector = packed_bf16(1, g.channels, bf16_columns),
                   .products = winograd_points,
                   .a_product = layout.v_point,
                   .b_product = layout.u_point,
                   .c_product = layout.m_point,
                   .a = v,
                   .b = reinterpret_cast<const Bf16*>(packed),
                   .c = m});
    finish(Products{m, layout.m_point, layout.outputs}, first, count);
  }
}

}  // namespace

void winograd_bf16(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  each_chunk(problem.conv, conv::window_tiles(problem.pool), args.images, args.src, args.packed, args.scratch,
             [&](const Products& m, std::int64_t first, std::int64_t count) {
               PoolTiles<2>(problem, args, {args.src, args.kernel, false, false}, conv::window_tiles(problem.pool), m, first, count);
             });
}

void winograd_map_bf16(const Geometry& g, const conv::MapArgs& args) {
  const conv::Tiles tiles = conv::tiles_of(g);
  each_chunk(g, tiles, args.images, args.src, args.packed, args.scratch, [&](const Products& m, std::int64_t first, std::int64_t count) {
    StoreTiles<2>(g, tiles, {args.src, args.kernel, args.turned, false}, {}, args.bias, args.relu, args.largest, m, first, count, args.dst);
  });
}

void winograd_bf16_kernel(const Geometry& g, const float* kernel, bool turned, float* packed) {
  const Bf16Layout layout(g);
  auto* to = reinterpret_cast<Bf16*>(packed);
  for (std::int64_t k = 0; k < layout.outputs; k += lanes)
    for (std::int64_t c = 0; c < g.channels; c += 2, to += bf16_pair) {
      V first[16], second[16];
      TransformTaps<2>(g, kernel, c, k, first, turned);
      TransformTaps<2>(g, kernel, c + 1, k, second, turned);
      for (std::int64_t p = 0; p < winograd_points; ++p) _mm512_storeu_si512(to + p * layout.u_point, InterleaveRounded(first[p], second[p]));
    }
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
LINN_AFTER_BF16();
#endif  // HWY_AVX3

#if HWY_ONCE
namespace linn::detail::kernels::conv {
namespace {

// Like winograd_cost, with products that take half the time.
double bf16_winograd_cost(const Geometry& g, const Tiles& tiles) {
  const std::int64_t c = g.channels, k = g.out_channels;
  return least_gain * static_cast<double>(winograd_points * tiles.count() * (c * k + 10 * c + 20 * k)) / 2;
}

}  // namespace

bool Bf16WinogradPool::supports(const ConvPoolForward::Problem& problem) { 
  return is_winograd(problem.conv) && problem.conv.channels >= 16 && is_two_by_two(problem.pool) && is_linear_or_relu(problem.activation);
}

double Bf16WinogradPool::cost(const ConvPoolForward::Problem& problem) { return bf16_winograd_cost(problem.conv, window_tiles(problem.pool)); }

std::int64_t Bf16WinogradPool::scratch(const ConvPoolForward::Problem& problem, std::int64_t) { return Bf16Layout(problem.conv).scratch(); }

std::int64_t Bf16WinogradPool::packed(const ConvPoolForward::Problem& problem) { return Bf16Layout(problem.conv).packed(); }

void Bf16WinogradPool::pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
  N_AVX3::winograd_bf16_kernel(problem.conv, kernel, false, packed);
}

void Bf16WinogradPool::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  N_AVX3::winograd_bf16(problem, args);
}

bool Bf16WinogradForward::supports(const ConvForward::Problem& problem) {
  return is_winograd(problem.geometry) && Bf16Forward::supports(problem);
}

double Bf16WinogradForward::cost(const ConvForward::Problem& problem) { return bf16_winograd_cost(problem.geometry, tiles_of(problem.geometry)); }

std::int64_t Bf16WinogradForward::scratch(const ConvForward::Problem& problem, std::int64_t) {
  return Bf16Layout(problem.geometry).scratch();
}

std::int64_t Bf16WinogradForward::packed(const ConvForward::Problem& problem) { return Bf16Layout(problem.geometry).packed(); }

void Bf16WinogradForward::pack(const ConvForward::Problem& problem, const float* kernel, float* packed) {
  N_AVX3::winograd_bf16_kernel(problem.geometry, kernel, false, packed);
}

void Bf16WinogradForward::run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
  N_AVX3::winograd_map_bf16(problem.geometry, {args.images, args.src, args.kernel, false, args.packed, problem.bias ? args.bias : nullptr,
                                               cuts_below_zero(problem.activation), largest_result(problem.activation), args.dst, args.scratch});
}

bool Bf16WinogradInputGradient::supports(const Problem& problem) {
  return is_winograd(problem.geometry) && Bf16InputGradient::supports(problem);
}

double Bf16WinogradInputGradient::cost(const Problem& problem) {
  const Geometry g = backwards(problem.geometry);
  return bf16_winograd_cost(g, tiles_of(g));
}

std::int64_t Bf16WinogradInputGradient::scratch(const Problem& problem, std::int64_t) { return Bf16Layout(backwards(problem.geometry)).scratch(); }

std::int64_t Bf16WinogradInputGradient::packed(const Problem& problem) { return Bf16Layout(backwards(problem.geometry)).packed(); }

void Bf16WinogradInputGradient::pack(const Problem& problem, const float* transposed_kernel, float* packed) {
  N_AVX3::winograd_bf16_kernel(backwards(problem.geometry), transposed_kernel, true, packed);
}

void Bf16WinogradInputGradient::run(const Problem& problem, const ConvInputGradient::Args<float>& args) {
  N_AVX3::winograd_map_bf16(backwards(problem.geometry),
                            {args.images, args.ddst, args.transposed_kernel, true, args.packed, problem.bias ? args.bias : nullptr,
                             cuts_below_zero(problem.activation), largest_result(problem.activation), args.dsrc, args.scratch});
}

}  // namespace linn::detail::kernels::conv
#endif
