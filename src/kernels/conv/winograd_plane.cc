// ConvPoolForward by Winograd's F(2x2, 3x3) (winograd_pool.cc) for one input channel, the usual first layer. Without a sum over channels a
// product is a single multiplication, whose result goes directly into the inverse transform.
//
// Loop nest:  for each image: its pixels into a padded plane
//               for each 16 windows of a row: V[16][16 windows] = B^T (4x4 patch) B, windows in lanes
//                 for each vector of output channels, window
//                   16 products of a broadcast V with U in registers, A^T (V . U) A, pooled
// Registers:  16 of U, the bias, about 10 of the tile, of 32 (AVX-512); with 16 registers U stays in memory, 1 KiB.
// Operations: 16 multiplications and 16 additions a window and vector; the direct form takes 36 multiply-adds.
// Bound:      winograd_pool.cc's. Not position invariant.
// Measured:   see docs/engine.md. Pooling, a dozen operations for each window and vector, takes as long as the rest.
#include "kernels/conv/fused.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/winograd_plane.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "core/checked.h"
#include "kernels/conv/pooling-inl.h"
#include "kernels/conv/winograd_transforms-inl.h"

#ifndef LINN_KERNELS_CONV_WINOGRAD_PLANE_ONCE
#define LINN_KERNELS_CONV_WINOGRAD_PLANE_ONCE
namespace linn::detail::kernels::conv {
namespace {

constexpr std::int64_t block = 16;  // windows, and floats of the widest vector

// Size of one image with its padding, extended to the width that whole blocks of windows read.
struct PlaneLayout {
  explicit PlaneLayout(const ConvPoolForward::Problem& problem)
      : row(2 * core::round_up(problem.pool.out_width, block) + block), rows(2 * problem.pool.out_height + 2) {}
  std::int64_t row, rows;
};

void fill_plane(const Geometry& g, const PlaneLayout& layout, const float* src, float* plane) {
  std::fill_n(plane, layout.rows * layout.row, 0.0f);
  const std::int64_t first = std::max<std::int64_t>(g.pad_top, 0), width = std::min(g.width, layout.row - g.pad_left);
  for (std::int64_t y = first; y < std::min(layout.rows, g.pad_top + g.height); ++y) {
    const float* from = src + (y - g.pad_top) * g.src_row;
    float* to = plane + y * layout.row + g.pad_left;
    for (std::int64_t x = 0; x < width; ++x) to[x] = from[x * g.src_pixel];
  }
}

}  // namespace
}  // namespace linn::detail::kernels::conv
#endif

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

using conv::block;
using conv::PlaneLayout;
using conv::winograd_points;

// V of a block of windows, whose patches begin at `src`.
HWY_NOINLINE void TransformBlock(const float* src, std::int64_t row, float* v) {
  const D d;
  for (std::int64_t x = 0; x < block; x += lanes) {
    V patch[16];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const float* at = src + i * row + 2 * x;
      hn::LoadInterleaved2(d, at, patch[4 * i], patch[4 * i + 1]);
      hn::LoadInterleaved2(d, at + 2, patch[4 * i + 2], patch[4 * i + 3]);
    }
    TransformSquare<2>(patch);
#pragma GCC unroll 16
    for (int p = 0; p < winograd_points; ++p) hn::Store(patch[p], d, v + p * block + x);
  }
}

// One vector of output channels of a block of windows.
template <Pooled kPooled>
HWY_NOINLINE void PoolBlock(const float* v, std::int64_t windows, const float* u, std::int64_t u_point, V bias, bool relu, float* dst,
                          std::int64_t dst_pixel, std::uint8_t* argmax, std::int64_t argmax_pixel, std::int64_t count) {
  const D d;
  V kernel[16];
#pragma GCC unroll 16
  for (int p = 0; p < 16; ++p) kernel[p] = hn::LoadU(d, u + p * u_point);
  for (std::int64_t x = 0; x < windows; ++x, ++v, dst += dst_pixel) {
    V cell[4];  // of the window
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const V v1 = hn::Set(d, v[(4 + j) * block]), v2 = hn::Set(d, v[(8 + j) * block]);
      // The inverse transform adds M[1][1] to all four outputs, so one addition of the bias is enough.
      const V m1 = j == 1 ? hn::MulAdd(v1, kernel[4 + j], bias) : hn::Mul(v1, kernel[4 + j]);
      const V m2 = hn::Mul(v2, kernel[8 + j]);
      const V top = hn::Add(hn::MulAdd(hn::Set(d, v[j * block]), kernel[j], m1), m2);
      const V bottom = hn::NegMulAdd(hn::Set(d, v[(12 + j) * block]), kernel[12 + j], hn::Sub(m1, m2));
      if (j < 3) cell[0] = j == 0 ? top : hn::Add(cell[0], top), cell[2] = j == 0 ? bottom : hn::Add(cell[2], bottom);
      if (j > 0) cell[1] = j == 1 ? top : hn::Sub(cell[1], top), cell[3] = j == 1 ? bottom : hn::Sub(cell[3], bottom);
    }
    PoolCells<kPooled>(cell[0], cell[1], cell[2], cell[3], relu, dst, argmax, count);
    if (kPooled == Pooled::argmax) argmax += argmax_pixel;
  }
}

template <Pooled kPooled>
void RunPlane(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  const D d;
  const PlaneLayout layout(problem);
  const Geometry &g = problem.conv, &pool = problem.pool;
  const std::int64_t outputs = g.out_channels, u_point = conv::WinogradLayout(g).u_point;
  float* v = core::align_up<float>(args.scratch, 64);
  float* plane = v + winograd_points * block;
  for (std::int64_t n = 0; n < args.images; ++n) {
    conv::fill_plane(g, layout, args.src + n * g.src_image, plane);
    for (std::int64_t y = 0; y < pool.out_height; ++y)
      for (std::int64_t x = 0; x < pool.out_width; x += block) {
        TransformBlock(plane + 2 * y * layout.row + 2 * x, layout.row, v);
        const std::int64_t windows = HWY_MIN(block, pool.out_width - x);
        float* dst = args.dst + n * pool.dst_image + y * pool.dst_row + x * pool.dst_pixel;
        std::uint8_t* argmax = kPooled == Pooled::argmax ? args.argmax + ((n * pool.out_height + y) * pool.out_width + x) * outputs : nullptr;
        for (std::int64_t k = 0; k < outputs; k += lanes) {
          const std::int64_t count = HWY_MIN(lanes, outputs - k);
          const V bias = problem.bias ? LoadCount(args.bias + k, count) : hn::Zero(d);
          PoolBlock<kPooled>(v, windows, args.packed + k, u_point, bias, problem.activation == Activation::relu, dst + k, pool.dst_pixel,
                             kPooled == Pooled::argmax ? argmax + k : nullptr, outputs, count);
        }
      }
  }
}

void winograd_plane_kernel(const Geometry& g, const float* kernel, float* packed) { PackTaps<2>(g, kernel, false, packed); }

void winograd_plane(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  if (problem.kind == PoolKind::average)
    RunPlane<Pooled::average>(problem, args);
  else if (problem.argmax)
    RunPlane<Pooled::argmax>(problem, args);
  else
    RunPlane<Pooled::max>(problem, args);
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(winograd_plane);
HWY_EXPORT(winograd_plane_kernel);

namespace conv {

bool WinogradPlane::supports(const ConvPoolForward::Problem& problem) {
  return is_three_by_three(problem.conv) && problem.conv.channels == 1 && is_two_by_two(problem.pool) && is_linear_or_relu(problem.activation);
}

double WinogradPlane::cost(const ConvPoolForward::Problem& problem) {
  return 1.5 * static_cast<double>(winograd_points * problem.pool.out_height * problem.pool.out_width * problem.conv.out_channels);
}

std::int64_t WinogradPlane::packed(const ConvPoolForward::Problem& problem) { return WinogradLayout(problem.conv).packed(); }

void WinogradPlane::pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
  HWY_DYNAMIC_DISPATCH(winograd_plane_kernel)(problem.conv, kernel, packed);
}

std::int64_t WinogradPlane::scratch(const ConvPoolForward::Problem& problem, std::int64_t) {
  const PlaneLayout layout(problem);
  return winograd_points * block + layout.rows * layout.row + block;
}

void WinogradPlane::run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(winograd_plane)(problem, args);
}

}  // namespace conv
}  // namespace linn::detail::kernels
#endif
