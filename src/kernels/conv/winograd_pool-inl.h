// Winograd's inverse transforms with 2x2 pooling: from products to the pooled map. Included once for each target.
#if defined(LINN_KERNELS_CONV_WINOGRAD_POOL_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_CONV_WINOGRAD_POOL_INL_H
#undef LINN_KERNELS_CONV_WINOGRAD_POOL_INL_H
#else
#define LINN_KERNELS_CONV_WINOGRAD_POOL_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "kernels/conv/pooled.h"
#include "kernels/conv/winograd_outputs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {

/// PoolTiles for one kind of pooling.
template <int kTile, Pooled kPooled>
HWY_NOINLINE void PoolTilesAs(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args, const TileSource& source, const conv::Tiles& tiles,
                              const Products& m, std::int64_t first, std::int64_t count) {
  constexpr int windows = kTile / 2;  // along a side
  const Geometry& pool = problem.pool;
  const std::int64_t outputs = problem.conv.out_channels;
  const bool relu = problem.activation == Activation::relu;
  EachTile(tiles, first, count, [&](std::int64_t t, std::int64_t image, std::int64_t tile_y, std::int64_t tile_x) {
    const std::int64_t y = windows * tile_y, x = windows * tile_x;
    float* dst = args.dst + image * pool.dst_image + y * pool.dst_row + x * pool.dst_pixel;
    std::uint8_t* argmax = nullptr;
    if (kPooled == Pooled::argmax) argmax = args.argmax + ((image * pool.out_height + y) * pool.out_width + x) * outputs;
    const OutputTile<kTile> tile(problem.conv, source, image, 2 * y, 2 * x);
    for (std::int64_t k = 0; k < outputs; k += lanes) {
      const std::int64_t part = HWY_MIN(lanes, outputs - k);
      const V bias = problem.bias ? LoadCount(args.bias + k, part) : hn::Zero(D());
      V cells[kTile * kTile];
      tile.Cells(m.at + t * m.tile, m.point, k, bias, cells);
#pragma GCC unroll 2
      for (int a = 0; a < windows; ++a)
#pragma GCC unroll 2
        for (int b = 0; b < windows; ++b) {
          if (windows > 1 && (y + a >= pool.out_height || x + b >= pool.out_width)) continue;
          const V* cell = cells + 2 * (kTile * a + b);
          PoolCells<kPooled>(cell[0], cell[1], cell[kTile], cell[kTile + 1], relu, dst + a * pool.dst_row + b * pool.dst_pixel + k,
                             kPooled == Pooled::argmax ? argmax + (a * pool.out_width + b) * outputs + k : nullptr, part);
        }
    }
  });
}

/// Pools `count` tiles from `first` on: from their products to dst and argmax.
template <int kTile>
HWY_INLINE void PoolTiles(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args, const TileSource& source, const conv::Tiles& tiles,
                          const Products& m, std::int64_t first, std::int64_t count) {
  if (problem.kind == PoolKind::average)
    PoolTilesAs<kTile, Pooled::average>(problem, args, source, tiles, m, first, count);
  else if (problem.argmax)
    PoolTilesAs<kTile, Pooled::argmax>(problem, args, source, tiles, m, first, count);
  else
    PoolTilesAs<kTile, Pooled::max>(problem, args, source, tiles, m, first, count);
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
