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
#include "kernels/conv/pooling-inl.h"
#include "kernels/gemm/contract.h"

#ifndef LINN_KERNELS_CONV_WINOGRAD_ONCE
#define LINN_KERNELS_CONV_WINOGRAD_ONCE
namespace linn::kernels::conv {
namespace {

constexpr std::int64_t points = 16;
constexpr std::int64_t chunk_elements = 65536;
constexpr std::int64_t line = 16;  // floats, between two points, so that they do not meet in the same sets of the L1 cache

// How V, M and U lie.
struct Layout {
  explicit Layout(const ConvPoolForward::Problem& problem)
      : channels(core::round_up(problem.conv.channels, line)), outputs(core::round_up(problem.conv.out_channels, line)) {
    const std::int64_t most = chunk_elements / (points * (channels + outputs));
    windows = std::max<std::int64_t>(most / 13 * 13, 13);  // whole tiles of 13 rows
    v_point = windows * channels + line;
    m_point = windows * outputs + line;
  }
  std::int64_t channels, outputs;  // rounded up to vectors
  std::int64_t windows;            // of a chunk
  std::int64_t v_point, m_point;
};

// A window by its number among all windows of the call.
struct Place {
  std::int64_t image, y, x;
  Place(const Geometry& pool, std::int64_t number)
      : image(number / (pool.out_height * pool.out_width)), y(number / pool.out_width % pool.out_height), x(number % pool.out_width) {}
  void next(const Geometry& pool) {
    if (++x < pool.out_width) return;
    x = 0;
    if (++y < pool.out_height) return;
    y = 0, ++image;
  }
};

}  // namespace
}  // namespace linn::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::HWY_NAMESPACE {
namespace {

using conv::Layout;
using conv::Place;
using conv::points;

// b = B^T d of one column (or row) of a patch, at a distance of `step` vectors.
HWY_INLINE void TransformLine(V* d, int step) {
  const V d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  d[0] = hn::Sub(d0, d2);
  d[step] = hn::Add(d1, d2);
  d[2 * step] = hn::Sub(d2, d1);
  d[3 * step] = hn::Sub(d1, d3);
}

// One vector of channels of one window: patch[i][j] lies at src + i * row + j * pixel where the map has it, else it is zero.
template <bool kInside>
HWY_NOINLINE void TransformPatch(const Geometry& g, const float* src, std::int64_t y, std::int64_t x, std::int64_t count, float* v, std::int64_t v_point) {
  const D d;
  V patch[16];
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
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) TransformLine(patch + j, 4);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) TransformLine(patch + 4 * i, 1);
#pragma GCC unroll 16
  for (int p = 0; p < 16; ++p) hn::Store(patch[p], d, v + p * v_point);
}

void TransformInputs(const ConvPoolForward::Problem& problem, const Layout& layout, const float* src, std::int64_t first, std::int64_t count, float* v) {
  const Geometry& g = problem.conv;
  Place place(problem.pool, first);
  for (std::int64_t t = 0; t < count; ++t, place.next(problem.pool)) {
    const std::int64_t y = 2 * place.y - g.pad_top, x = 2 * place.x - g.pad_left;
    const float* patch = src + place.image * g.src_image + y * g.src_row + x * g.src_pixel;
    const bool inside = y >= 0 && y + 4 <= g.height && x >= 0 && x + 4 <= g.width;
    for (std::int64_t c = 0; c < g.channels; c += lanes) {
      const std::int64_t part = HWY_MIN(lanes, g.channels - c);
      float* to = v + t * layout.channels + c;
      inside && part == lanes ? TransformPatch<true>(g, patch + c, y, x, part, to, layout.v_point)
                              : TransformPatch<false>(g, patch + c, y, x, part, to, layout.v_point);
    }
  }
}

// One vector of output channels of one window.
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
                     hn::Add(hn::Add(bottom[0], bottom[1]), bottom[2]), hn::Sub(hn::Sub(bottom[1], bottom[2]), bottom[3]), relu, dst, argmax, count);
}

template <Pooled kPooled>
HWY_NOINLINE void PoolTiles(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args, const Layout& layout,
                            const float* m, std::int64_t first, std::int64_t count) {
  const D d;
  const Geometry& pool = problem.pool;
  const std::int64_t outputs = problem.conv.out_channels;
  const bool relu = problem.activation == Activation::relu;
  Place place(pool, first);
  for (std::int64_t t = 0; t < count; ++t, place.next(pool)) {
    float* dst = args.dst + place.image * pool.dst_image + place.y * pool.dst_row + place.x * pool.dst_pixel;
    std::uint8_t* argmax = kPooled == Pooled::argmax ? args.argmax + (first + t) * outputs : nullptr;
    for (std::int64_t k = 0; k < outputs; k += lanes) {
      const std::int64_t part = HWY_MIN(lanes, outputs - k);
      V bias = hn::Zero(d);
      if (problem.bias) bias = LoadCount(args.bias + k, part);
      PoolTile<kPooled>(m + t * layout.outputs + k, layout.m_point, bias, relu, dst + k, kPooled == Pooled::argmax ? argmax + k : nullptr, part);
    }
  }
}

void winograd(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  const Contract contract = contract_for_cpu();
  const Layout layout(problem);
  const std::int64_t windows = args.images * problem.pool.out_height * problem.pool.out_width;
  // Scratch comes aligned to a vector from the planner; a caller's may not be.
  auto* v = core::align_up<float>(args.scratch, 64);
  float* m = v + points * layout.v_point;
  for (std::int64_t first = 0; first < windows; first += layout.windows) {
    const std::int64_t count = HWY_MIN(layout.windows, windows - first);
    TransformInputs(problem, layout, args.src, first, count, v);
    for (std::int64_t p = 0; p < points; ++p)
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
    if (problem.kind == PoolKind::average)
      PoolTiles<Pooled::average>(problem, args, layout, m, first, count);
    else if (problem.argmax)
      PoolTiles<Pooled::argmax>(problem, args, layout, m, first, count);
    else
      PoolTiles<Pooled::max>(problem, args, layout, m, first, count);
  }
}

// u = G g of three taps at a distance of `step`; four results.
HWY_INLINE void TransformTaps(V g0, V g1, V g2, V* u, int step) {
  const D d;
  const V half = hn::Set(d, 0.5f), sum = hn::Mul(half, hn::Add(g0, g2)), middle = hn::Mul(half, g1);
  u[0] = g0;
  u[step] = hn::Add(sum, middle);
  u[2 * step] = hn::Sub(sum, middle);
  u[3 * step] = g2;
}

void winograd_kernel(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
  const D d;
  const Layout layout(problem);
  const std::int64_t channels = problem.conv.channels, outputs = problem.conv.out_channels;
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t k = 0; k < layout.outputs; k += lanes) {
      const std::int64_t part = HWY_MAX(HWY_MIN(lanes, outputs - k), 0);
      V taps[9], half[12], u[16];
      for (int t = 0; t < 9; ++t) {
        const float* at = kernel + (t * channels + c) * outputs + k;
        taps[t] = part > 0 ? LoadCount(at, part) : hn::Zero(d);
      }
      for (int j = 0; j < 3; ++j) TransformTaps(taps[j], taps[3 + j], taps[6 + j], half + j, 3);
      for (int i = 0; i < 4; ++i) TransformTaps(half[3 * i], half[3 * i + 1], half[3 * i + 2], u + 4 * i, 1);
      for (std::int64_t p = 0; p < points; ++p) hn::StoreU(u[p], d, packed + (p * channels + c) * layout.outputs + k);
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
  return points * (layout.v_point + layout.m_point) + line;
}

std::int64_t Winograd::packed(const ConvPoolForward::Problem& problem) { return points * problem.conv.channels * Layout(problem).outputs; }

void Winograd::pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
  HWY_DYNAMIC_DISPATCH(winograd_kernel)(problem, kernel, packed);
}

void Winograd::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) { HWY_DYNAMIC_DISPATCH(winograd)(problem, args); }

}  // namespace conv
}  // namespace linn::kernels
#endif
