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
#include "kernels/conv/winograd.h"
#include "kernels/gemm/contract.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::HWY_NAMESPACE {

/// Calls visit(t, image, y, x) for tiles first, first + 1, ... of all tiles of a call, t = 0, 1, ...
template <class Visit>
HWY_INLINE void EachTile(const conv::Tiles& tiles, std::int64_t first, std::int64_t count, const Visit& visit) {
  std::int64_t image = first / tiles.count(), y = first / tiles.width % tiles.height, x = first % tiles.width;
  for (std::int64_t t = 0; t < count; ++t) {
    visit(t, image, y, x);
    if (++x < tiles.width) continue;
    x = 0;
    if (++y < tiles.height) continue;
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

/// One vector of channels of one tile, transformed: d[i][j] lies at src + i * row + j * pixel where the map has it, else it is zero.
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

/// Calls visit(t, c, patch, y, x, count, whole) for the vectors of channels c, c + 1, ... of tiles first, first + 1, ..., whose patch
/// begins at `patch`, row y and column x of the map. whole: LoadPatch<true> may be used.
template <class Visit>
HWY_INLINE void EachPatch(const Geometry& g, const conv::Tiles& tiles, const float* src, std::int64_t first, std::int64_t count,
                          const Visit& visit) {
  EachTile(tiles, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t tile_y, std::int64_t tile_x) {
    const std::int64_t y = 2 * tile_y - g.pad_top, x = 2 * tile_x - g.pad_left;
    const float* patch = src + image * g.src_image + y * g.src_row + x * g.src_pixel;
    const bool inside = y >= 0 && y + 4 <= g.height && x >= 0 && x + 4 <= g.width;
    for (std::int64_t c = 0; c < g.channels; c += lanes) {
      const std::int64_t part = HWY_MIN(lanes, g.channels - c);
      visit(t, c, patch + c, y, x, part, inside && part == lanes);
    }
  });
}

template <bool kInside>
HWY_NOINLINE void TransformPatch(const Geometry& g, const float* src, std::int64_t y, std::int64_t x, std::int64_t count, float* v,
                                 std::int64_t v_point) {
  V patch[16];
  LoadPatch<kInside>(g, src, y, x, count, patch);
#pragma GCC unroll 16
  for (int p = 0; p < 16; ++p) hn::Store(patch[p], D(), v + p * v_point);
}

/// V[point][tile][channel] of tiles first, first + 1, ...
HWY_INLINE void TransformPatches(const Geometry& g, const conv::Tiles& tiles, const float* src, std::int64_t first, std::int64_t count,
                                 float* v, std::int64_t v_tile, std::int64_t v_point) {
  EachPatch(g, tiles, src, first, count,
            [&](std::int64_t t, std::int64_t c, const float* patch, std::int64_t y, std::int64_t x, std::int64_t part, bool whole) {
              (whole ? TransformPatch<true> : TransformPatch<false>)(g, patch, y, x, part, v + t * v_tile + c, v_point);
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

/// U = G g G^T of channel c and the output channels from k on, zeros beyond the last of either. turned: the taps are taken from the last
/// to the first.
HWY_INLINE void TransformTaps(const Geometry& g, const float* kernel, std::int64_t c, std::int64_t k, V (&u)[16], bool turned = false) {
  V taps[9], half[12];
  for (int t = 0; t < 9; ++t) {
    const float* at = kernel + ((turned ? 8 - t : t) * g.channels + c) * g.out_channels + k;
    taps[t] = c < g.channels && k < g.out_channels ? LoadCount(at, g.out_channels - k) : hn::Zero(D());
  }
  for (int j = 0; j < 3; ++j) TransformTapLine(taps[j], taps[3 + j], taps[6 + j], half + j, 3);
  for (int i = 0; i < 4; ++i) TransformTapLine(half[3 * i], half[3 * i + 1], half[3 * i + 2], u + 4 * i, 1);
}

/// U of all channels, as WinogradLayout says.
HWY_INLINE void PackTaps(const Geometry& g, const float* kernel, bool turned, float* packed) {
  const conv::WinogradLayout layout(g);
  for (std::int64_t first = 0; first < layout.outputs; first += conv::winograd_panel) {
    const std::int64_t columns = HWY_MIN(conv::winograd_panel, layout.outputs - first);
    for (std::int64_t c = 0; c < g.channels; ++c)
      for (std::int64_t k = 0; k < columns; k += lanes) {
        V u[16];
        TransformTaps(g, kernel, c, first + k, u, turned);
        float* at = packed + first * g.channels + c * columns + k;
        for (std::int64_t p = 0; p < conv::winograd_points; ++p) hn::StoreU(u[p], D(), at + p * layout.u_point);
      }
  }
}

/// M[point][tile][output channel]: the products of a chunk of tiles.
struct Products {
  const float* at;
  std::int64_t point, tile;  // from one to the next
};

/// Calls finish(products, first, count) for the chunks of a call's tiles one after the other. `packed`: from PackTaps.
template <class Finish>
HWY_INLINE void EachChunk(const Geometry& g, const conv::Tiles& tiles, std::int64_t images, const float* src, const float* packed,
                          float* scratch, const Finish& finish) {
  const Contract contract = contract_for_cpu();
  const conv::WinogradLayout layout(g);
  const std::int64_t all = images * tiles.count();
  // Scratch comes aligned to a vector from the planner; a caller's may not be.
  auto* v = core::align_up<float>(scratch, 64);
  float* m = v + conv::winograd_points * layout.v_point;
  for (std::int64_t first = 0; first < all; first += layout.tiles) {
    const std::int64_t count = HWY_MIN(layout.tiles, all - first);
    TransformPatches(g, tiles, src, first, count, v, layout.channels, layout.v_point);
    for (std::int64_t p = 0; p < conv::winograd_points; ++p)
      for (std::int64_t k = 0; k < layout.outputs; k += conv::winograd_panel) {
        const std::int64_t columns = HWY_MIN(conv::winograd_panel, layout.outputs - k);
        contract({.rows = {1, 1, count},
                  .a_row = {0, 0, layout.channels},
                  .c_row = {0, 0, layout.outputs},
                  .terms = {1, 1, g.channels},
                  .a_term = {0, 0, 1},
                  .b_term = {0, 0, columns},
                  .columns = columns,
                  .a = v + p * layout.v_point,
                  .b = packed + p * layout.u_point + k * g.channels,
                  .c = m + p * layout.m_point + k});
      }
    finish(Products{m, layout.m_point, layout.outputs}, first, count);
  }
}

HWY_INLINE conv::Tiles WindowTiles(const Geometry& pool) { return {pool.out_height, pool.out_width}; }

/// The 2x2 outputs A^T M A of one vector of output channels of one tile. The inverse spreads what is added to M[1][1], the bias, to all.
HWY_INLINE void InverseTile(const float* m, std::int64_t m_point, V bias, V (&cells)[4]) {
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
  cells[0] = hn::Add(hn::Add(top[0], top[1]), top[2]);
  cells[1] = hn::Sub(hn::Sub(top[1], top[2]), top[3]);
  cells[2] = hn::Add(hn::Add(bottom[0], bottom[1]), bottom[2]);
  cells[3] = hn::Sub(hn::Sub(bottom[1], bottom[2]), bottom[3]);
}

/// Tiles first, first + 1, ... of a call from their products to the map that `g` writes.
HWY_INLINE void StoreTiles(const Geometry& g, const conv::Tiles& tiles, const float* bias, bool relu, const Products& m, std::int64_t first,
                           std::int64_t count, float* dst) {
  EachTile(tiles, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t tile_y, std::int64_t tile_x) {
    const std::int64_t y = 2 * tile_y, x = 2 * tile_x;
    const bool has_right = x + 1 < g.out_width, has_below = y + 1 < g.out_height;
    float* at = dst + image * g.dst_image + y * g.dst_row + x * g.dst_pixel;
    for (std::int64_t k = 0; k < g.out_channels; k += lanes) {
      const std::int64_t part = HWY_MIN(lanes, g.out_channels - k);
      V cells[4];
      InverseTile(m.at + t * m.tile + k, m.point, bias != nullptr ? LoadCount(bias + k, part) : hn::Zero(D()), cells);
      if (relu)
        for (V& cell : cells) cell = Relu(cell);
      StoreCount(cells[0], at + k, part);
      if (has_right) StoreCount(cells[1], at + g.dst_pixel + k, part);
      if (has_below) StoreCount(cells[2], at + g.dst_row + k, part);
      if (has_right && has_below) StoreCount(cells[3], at + g.dst_row + g.dst_pixel + k, part);
    }
  });
}

/// A y of two gradients at a distance of `step`; four results, the last with its sign turned.
HWY_INLINE void TransformGradientLine(V y0, V y1, V* w, int step) {
  w[0] = y0;
  w[step] = hn::Add(y0, y1);
  w[2 * step] = hn::Sub(y0, y1);
  w[3 * step] = y1;
}

/// A dY A^T of one vector of output channels of one tile. No output beyond the map, or beyond the last channel, has a gradient.
HWY_INLINE void LoadGradient(const Geometry& g, const float* ddst, bool has_right, bool has_below, std::int64_t count, V (&tile)[16]) {
  const auto load = [&](bool has, std::int64_t at) { return has && count > 0 ? LoadCount(ddst + at, count) : hn::Zero(D()); };
  V half[8];
  TransformGradientLine(load(true, 0), load(has_below, g.dst_row), half, 2);
  TransformGradientLine(load(has_right, g.dst_pixel), load(has_right && has_below, g.dst_row + g.dst_pixel), half + 1, 2);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) TransformGradientLine(half[2 * i], half[2 * i + 1], tile + 4 * i, 1);
}

/// g = G^T u of four sums at a distance of `step`, the last with its sign turned.
HWY_INLINE void InverseTapLine(const V* u, int step, V& g0, V& g1, V& g2) {
  const V half = hn::Set(D(), 0.5f), sum = hn::Mul(half, hn::Add(u[step], u[2 * step]));
  g0 = hn::Add(u[0], sum);
  g1 = hn::Mul(half, hn::Sub(u[step], u[2 * step]));
  g2 = hn::Sub(sum, u[3 * step]);
}

/// G^T sums G of all channels: sums[point][channel][output] to the kernel's gradient.
HWY_INLINE void InverseTaps(const Geometry& g, const float* sums, std::int64_t sum_point, std::int64_t outputs, float* dkernel) {
  const D d;
  for (std::int64_t c = 0; c < g.channels; ++c)
    for (std::int64_t k = 0; k < g.out_channels; k += lanes) {
      V u[16], half[12], taps[9];
      for (int p = 0; p < 16; ++p) u[p] = hn::Load(d, sums + p * sum_point + c * outputs + k);
      for (int j = 0; j < 4; ++j) InverseTapLine(u + j, 4, half[j], half[4 + j], half[8 + j]);
      for (int i = 0; i < 3; ++i) InverseTapLine(half + 4 * i, 1, taps[3 * i], taps[3 * i + 1], taps[3 * i + 2]);
      for (int t = 0; t < 9; ++t) StoreCount(taps[t], dkernel + (t * g.channels + c) * g.out_channels + k, g.out_channels - k);
    }
}

template <Pooled kPooled>
HWY_NOINLINE void PoolTilesAs(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args, const Products& m,
                              std::int64_t first, std::int64_t count) {
  const Geometry& pool = problem.pool;
  const std::int64_t outputs = problem.conv.out_channels;
  const bool relu = problem.activation == Activation::relu;
  EachTile(WindowTiles(pool), first, count, [&](std::int64_t t, std::int64_t image, std::int64_t y, std::int64_t x) {
    float* dst = args.dst + image * pool.dst_image + y * pool.dst_row + x * pool.dst_pixel;
    std::uint8_t* argmax = kPooled == Pooled::argmax ? args.argmax + (first + t) * outputs : nullptr;
    for (std::int64_t k = 0; k < outputs; k += lanes) {
      const std::int64_t part = HWY_MIN(lanes, outputs - k);
      const V bias = problem.bias ? LoadCount(args.bias + k, part) : hn::Zero(D());
      V cells[4];
      InverseTile(m.at + t * m.tile + k, m.point, bias, cells);
      PoolCells<kPooled>(cells[0], cells[1], cells[2], cells[3], relu, dst + k, kPooled == Pooled::argmax ? argmax + k : nullptr, part);
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
