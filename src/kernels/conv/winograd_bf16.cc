// ConvPoolForward by Winograd's F(2x2, 3x3) as in winograd.cc, its 16 products in bfloat16. The transforms stay float32: only what
// is multiplied is rounded, V and U, after they are made.
//
// Loop nest:  for each chunk of windows (of all images of the call)
//               for each window, vector of channels: V[16][window][channel] = B^T (4x4 patch) B, rounded
//               for each of 16 points: M[point] = V[point] U[point], the tiles of gemm/contract_bf16.cc
//               for each window, vector of output channels: A^T M A, pooled
// Registers:  16 of the patch or the tile, and a few.
// Bound:      |error| <= (2^-7 + c eps) |A^T| [(|G||g||G^T|) . (|B^T||d||B|)] |A|. An infinity in a patch makes NaN of its whole tile.
//             Not position invariant.
// Measured:   see docs/decisions/bfloat16.md.
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/winograd_bf16.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "core/checked.h"
#include "kernels/conv/winograd-inl.h"
#include "kernels/gemm/bf16-inl.h"
#include "kernels/gemm/bf16.h"

#ifndef LINN_KERNELS_CONV_WINOGRAD_BF16_ONCE
#define LINN_KERNELS_CONV_WINOGRAD_BF16_ONCE
namespace linn::kernels::conv {
namespace {

constexpr std::int64_t bf16_chunk_bytes = 320 * 1024;
constexpr std::int64_t bf16_line = 16;  // floats, between two points, so that they do not meet in the same sets of the L1 cache

// How V, M and U lie.
struct Bf16Layout {
  explicit Bf16Layout(const ConvPoolForward::Problem& problem)
      : channels(core::round_up(problem.conv.channels, bf16_columns)), outputs(core::round_up(problem.conv.out_channels, bf16_columns)) {
    const std::int64_t most = bf16_chunk_bytes / (winograd_points * (2 * channels + 4 * outputs));
    windows = std::max<std::int64_t>(most / 13 * 13, 13);  // whole tiles of 13 rows
    v_point = windows * channels + 2 * bf16_line;
    m_point = windows * outputs + bf16_line;
    u_point = packed_bf16(1, problem.conv.channels, outputs);
  }
  std::int64_t channels, outputs;          // rounded up to vectors
  std::int64_t windows;                    // of a chunk
  std::int64_t v_point, m_point, u_point;  // from a point to the next
};

}  // namespace
}  // namespace linn::kernels::conv
#endif

#if HWY_TARGET == HWY_AVX3
LINN_BEFORE_BF16();
namespace linn::kernels::HWY_NAMESPACE {
namespace {

using conv::winograd_points;
using conv::Bf16Layout;

template <bool kInside>
HWY_NOINLINE void TransformPatchToBf16(const Geometry& g, const float* src, std::int64_t y, std::int64_t x, std::int64_t count, Bf16* v,
                                       std::int64_t v_point) {
  V patch[16];
  LoadPatch<kInside>(g, src, y, x, count, patch);
#pragma GCC unroll 16
  for (int p = 0; p < 16; ++p) _mm256_storeu_si256(reinterpret_cast<__m256i*>(v + p * v_point), RoundVector(patch[p]));
}

void transform_inputs(const ConvPoolForward::Problem& problem, const Bf16Layout& layout, const float* src, std::int64_t first,
                      std::int64_t count, Bf16* v) {
  EachPatch(problem.conv, WindowTiles(problem.pool), src, first, count,
            [&](std::int64_t t, std::int64_t c, const float* patch, std::int64_t y, std::int64_t x, std::int64_t part, bool whole) {
              (whole ? TransformPatchToBf16<true> : TransformPatchToBf16<false>)(problem.conv, patch, y, x, part, v + t * layout.channels + c,
                                                                                 layout.v_point);
            });
}

}  // namespace

void winograd_bf16(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  const Bf16Layout layout(problem);
  const std::int64_t windows = args.images * problem.pool.out_height * problem.pool.out_width;
  auto* m = core::align_up<float>(args.scratch, 64);
  auto* v = reinterpret_cast<Bf16*>(m + winograd_points * layout.m_point);
  for (std::int64_t first = 0; first < windows; first += layout.windows) {
    const std::int64_t count = HWY_MIN(layout.windows, windows - first);
    transform_inputs(problem, layout, args.src, first, count, v);
    for (std::int64_t p = 0; p < winograd_points; ++p)
      contract_bf16({.rows = {1, 1, count},
                     .a_row = {0, 0, layout.channels},
                     .c_row = {0, 0, layout.outputs},
                     .pairs = {1, 1, (problem.conv.channels + 1) / 2},
                     .a_pair = {0, 0, 2},
                     .b_pair = {0, 0, bf16_pair},
                     .odd = problem.conv.channels % 2 != 0,
                     .columns = layout.outputs,
                     .b_vector = packed_bf16(1, problem.conv.channels, bf16_columns),
                     .a = v + p * layout.v_point,
                     .b = reinterpret_cast<const Bf16*>(args.packed) + p * layout.u_point,
                     .c = m + p * layout.m_point});
    PoolTiles(problem, args, {m, layout.m_point, layout.outputs}, first, count);
  }
}

void winograd_bf16_kernel(const ConvPoolForward::Problem& problem, const float* kernel, Bf16* packed) {
  const Geometry& g = problem.conv;
  const Bf16Layout layout(problem);
  Bf16* to = packed;
  for (std::int64_t k = 0; k < layout.outputs; k += lanes)
    for (std::int64_t c = 0; c < g.channels; c += 2, to += 2 * bf16_columns) {
      V first[16], second[16];
      TransformTaps(g, kernel, c, k, first);
      TransformTaps(g, kernel, c + 1, k, second);
      for (std::int64_t p = 0; p < winograd_points; ++p) _mm512_storeu_si512(to + p * layout.u_point, InterleaveRounded(first[p], second[p]));
    }
}

}  // namespace linn::kernels::HWY_NAMESPACE
LINN_AFTER_BF16();
#endif  // HWY_AVX3

#if HWY_ONCE
namespace linn::kernels::conv {

bool Bf16Winograd::accepts(const ConvPoolForward::Problem& problem) { return problem.conv.channels >= 16 && Winograd::accepts(problem); }

std::int64_t Bf16Winograd::scratch(const ConvPoolForward::Problem& problem, std::int64_t) {
  const Bf16Layout layout(problem);
  return winograd_points * (layout.m_point + floats_of_bf16(layout.v_point)) + bf16_line;
}

std::int64_t Bf16Winograd::packed(const ConvPoolForward::Problem& problem) {
  return floats_of_bf16(winograd_points * Bf16Layout(problem).u_point);
}

void Bf16Winograd::pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
  N_AVX3::winograd_bf16_kernel(problem, kernel, reinterpret_cast<Bf16*>(packed));
}

void Bf16Winograd::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  N_AVX3::winograd_bf16(problem, args);
}

}  // namespace linn::kernels::conv
#endif
