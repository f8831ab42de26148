// The products between Winograd's transforms, chunk by chunk of tiles. Included once for each target.
#if defined(LINN_KERNELS_CONV_WINOGRAD_PRODUCTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_CONV_WINOGRAD_PRODUCTS_INL_H
#undef LINN_KERNELS_CONV_WINOGRAD_PRODUCTS_INL_H
#else
#define LINN_KERNELS_CONV_WINOGRAD_PRODUCTS_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <type_traits>

#include "kernels/conv/conv.h"
#include "kernels/conv/winograd_transforms-inl.h"
#include "kernels/gemm/contract.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {

/// M[point][tile][output channel]: the products of a chunk of tiles.
struct Products {
  const float* at;
  std::int64_t point, tile;  // pitches
};

/// Computes the products of all tiles of a call for some output channels, chunk by chunk, and calls finish(products, first, count) after each
/// chunk. `packed` comes from PackTaps.
template <int kTile, class Finish>
HWY_INLINE void EachChunk(const Geometry& g, const conv::Tiles& tiles, const Channels& channels, std::int64_t images, const float* src, const float* packed,
                          float* scratch, const Finish& finish) {
  const Contract contract = contract_for_cpu();
  const conv::WinogradLayout layout(g, kTile);
  const std::int64_t all = images * tiles.count();
  // Of the last channels a whole vector, as it is read as one, and numbers that are not finite would count.
  const std::int64_t outputs = (channels.end < g.out_channels ? channels.end : layout.outputs) - channels.begin;
  // The plan aligns scratch to a vector; other callers may not.
  auto* v = core::align_up<float>(scratch, 64);
  float* m = v + layout.points * layout.v_point;
  for (std::int64_t first = 0; first < all; first += layout.tiles) {
    const std::int64_t count = HWY_MIN(layout.tiles, all - first);
    TransformPatches<kTile>(g, tiles, src, first, count, v, layout.channels, layout.v_point);
    contract({.rows = {1, 1, count},
              .a_row = {0, 0, layout.channels},
              .c_row = {0, 0, layout.outputs},
              .terms = {1, 1, g.channels},
              .a_term = {0, 0, 1},
              .b_term = {0, 0, layout.panel},
              .columns = outputs,
              .b_panel = layout.panel * g.channels,
              .products = layout.points,
              .a_product = layout.v_point,
              .b_product = layout.u_point,
              .c_product = layout.m_point,
              .a = v,
              .b = packed + channels.begin * g.channels,
              .c = m + channels.begin});
    finish(Products{m, layout.m_point, layout.outputs}, first, count);
  }
}

/// EachChunk for both sizes of tiles of `cut`, a part of the cut `whole` of the map: calls finish(size, tiles, products, first, count).
/// `packed` comes from PackTileSizes for `whole`.
template <class Finish>
HWY_INLINE void EachTileSize(const Geometry& g, const conv::TileCut& cut, const conv::TileCut& whole, const Channels& channels, std::int64_t images, const float* src,
                             const float* packed, float* scratch, const Finish& finish) {
  const auto run = [&](auto tile, const conv::Tiles& tiles, const float* u) {
    EachChunk<tile>(g, tiles, channels, images, src, u, scratch,
                    [&](const Products& m, std::int64_t first, std::int64_t count) { finish(tile, tiles, m, first, count); });
  };
  if (cut.fours.count() > 0) run(std::integral_constant<int, 4>(), cut.fours, packed);
  if (cut.twos.count() > 0) run(std::integral_constant<int, 2>(), cut.twos, packed + conv::packed_fours(g, whole));
}

/// Writes U for both sizes of tiles of a cut; those of 4x4 come first.
HWY_INLINE void PackTileSizes(const Geometry& g, const conv::TileCut& cut, const float* kernel, bool turned, float* packed) {
  if (cut.fours.count() > 0) PackTaps<4>(g, kernel, turned, packed);
  if (cut.twos.count() > 0) PackTaps<2>(g, kernel, turned, packed + conv::packed_fours(g, cut));
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
