// ConvPoolForward by Winograd's F(2x2, 3x3) (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016): 16
// products for a 2x2 tile of the output where the direct form takes 36. The tile is exactly one 2x2 pooling window, so the
// inverse transform, bias, activation and pooling happen in registers and the map is never stored.
//
// Loop nest:  for each chunk of windows (of all images of the call, about 256 KiB of V and M)
//               for each window, vector of channels: V[16][window][channel] = B^T (4x4 patch) B
//               for each of 16 points: M[point] = V[point] U[point], the tiles of gemm/contract.cc
//               for each window, vector of output channels: A^T M A, pooled
// U[16][channel][out channel] = G (3x3 taps) G^T is the packed kernel, made once a step. The bias goes into M[1][1], from where
// the inverse transform spreads it to all four outputs.
// Registers:  16 of the patch or the tile, and a few.
// Bound:      |error| <= c eps |A^T| [(|G||g||G^T|) . (|B^T||d||B|)] |A|, not the direct form's. An infinity in a patch makes NaN of
//             its whole tile. Not position invariant: a pixel's sum depends on its place in the tile.
// Measured:   see docs/engine.md.
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/winograd.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "core/checked.h"
#include "kernels/conv/winograd-inl.h"
#include "kernels/gemm/contract.h"

#ifndef LINN_KERNELS_CONV_WINOGRAD_ONCE
#define LINN_KERNELS_CONV_WINOGRAD_ONCE
namespace linn::kernels::conv {
namespace {

constexpr std::int64_t chunk_elements = 65536;
constexpr std::int64_t line = 16;  // floats, between two winograd_points, so that they do not meet in the same sets of the L1 cache

// How V, M and U lie.
struct Layout {
  explicit Layout(const ConvPoolForward::Problem& problem)
      : channels(core::round_up(problem.conv.channels, line)), outputs(core::round_up(problem.conv.out_channels, line)) {
    const std::int64_t most = chunk_elements / (winograd_points * (channels + outputs));
    windows = std::max<std::int64_t>(most / 13 * 13, 13);  // whole tiles of 13 rows
    v_point = windows * channels + line;
    m_point = windows * outputs + line;
  }
  std::int64_t channels, outputs;  // rounded up to vectors
  std::int64_t windows;            // of a chunk
  std::int64_t v_point, m_point;
};

}  // namespace
}  // namespace linn::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::HWY_NAMESPACE {
namespace {

using conv::Layout;
using conv::winograd_points;

template <bool kInside>
HWY_NOINLINE void TransformPatch(const Geometry& g, const float* src, std::int64_t y, std::int64_t x, std::int64_t count, float* v, std::int64_t v_point) {
  V patch[16];
  LoadPatch<kInside>(g, src, y, x, count, patch);
#pragma GCC unroll 16
  for (int p = 0; p < 16; ++p) hn::Store(patch[p], D(), v + p * v_point);
}

void TransformInputs(const ConvPoolForward::Problem& problem, const Layout& layout, const float* src, std::int64_t first, std::int64_t count, float* v) {
  EachPatch(problem, src, first, count,
            [&](std::int64_t t, std::int64_t c, const float* patch, std::int64_t y, std::int64_t x, std::int64_t part, bool whole) {
              (whole ? TransformPatch<true> : TransformPatch<false>)(problem.conv, patch, y, x, part, v + t * layout.channels + c, layout.v_point);
            });
}

void winograd(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  const Contract contract = contract_for_cpu();
  const Layout layout(problem);
  const std::int64_t windows = args.images * problem.pool.out_height * problem.pool.out_width;
  // Scratch comes aligned to a vector from the planner; a caller's may not be.
  auto* v = core::align_up<float>(args.scratch, 64);
  float* m = v + winograd_points * layout.v_point;
  for (std::int64_t first = 0; first < windows; first += layout.windows) {
    const std::int64_t count = HWY_MIN(layout.windows, windows - first);
    TransformInputs(problem, layout, args.src, first, count, v);
    for (std::int64_t p = 0; p < winograd_points; ++p)
      contract({.rows = {1, 1, count},
                .a_row = {0, 0, layout.channels},
                .c_row = {0, 0, layout.outputs},
                .terms = {1, 1, problem.conv.channels},
                .a_term = {0, 0, 1},
                .b_term = {0, 0, layout.outputs},
                .columns = layout.outputs,
                .a = v + p * layout.v_point,
                .b = args.packed + p * problem.conv.channels * layout.outputs,
                .c = m + p * layout.m_point});
    PoolTiles(problem, args, {m, layout.m_point, layout.outputs}, first, count);
  }
}

void winograd_kernel(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
  const D d;
  const Layout layout(problem);
  const std::int64_t channels = problem.conv.channels;
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t k = 0; k < layout.outputs; k += lanes) {
      V u[16];
      TransformTaps(problem.conv, kernel, c, k, u);
      for (std::int64_t p = 0; p < winograd_points; ++p) hn::StoreU(u[p], d, packed + (p * channels + c) * layout.outputs + k);
    }
}

}  // namespace
}  // namespace linn::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::kernels {
HWY_EXPORT(winograd);
HWY_EXPORT(winograd_kernel);

namespace conv {

bool Winograd::accepts(const ConvPoolForward::Problem& problem) {
  const Geometry &g = problem.conv, &pool = problem.pool;
  return is_three_by_three(g) && g.groups == 1 && g.channels >= 8 && is_two_by_two(pool) && is_linear_or_relu(problem.activation);
}

std::int64_t Winograd::scratch(const ConvPoolForward::Problem& problem, std::int64_t) {
  const Layout layout(problem);
  return winograd_points * (layout.v_point + layout.m_point) + line;
}

std::int64_t Winograd::packed(const ConvPoolForward::Problem& problem) { return winograd_points * problem.conv.channels * Layout(problem).outputs; }

void Winograd::pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
  HWY_DYNAMIC_DISPATCH(winograd_kernel)(problem, kernel, packed);
}

void Winograd::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) { HWY_DYNAMIC_DISPATCH(winograd)(problem, args); }

}  // namespace conv
}  // namespace linn::kernels
#endif
