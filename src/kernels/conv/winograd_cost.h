// Cost of Winograd's forms, and the cut of a map into tiles that follows from it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/conv/winograd_tiles.h"

namespace linn::detail::kernels::conv {

/// Elements of a transformed kernel above which it no longer fits a cache that all cores share beside the other data: 16 MiB.
inline constexpr std::int64_t large_kernel = 1 << 22;

/// Cost of these tiles of a convolution for one image, in multiply-adds:
///   points (c k + a c + b k)   for each tile, with c input and k output channels,
/// where c k counts the products, a the transform of the patch (5; 9 for 4x4) and b the inverse transform (10; 20 for 4x4). a and b are
/// fitted to times of 8 to 256 channels on maps of 2x2 to 56x56 on Zen 5; most times are within a tenth of the formula. With AVX2 the form
/// gains a little more than the formula says.
inline std::int64_t winograd_cost(const Geometry& g, const Tiles& tiles, std::int64_t tile) {
  const std::int64_t c = g.channels, k = g.out_channels, transforms = tile == 2 ? 5 * c + 10 * k : 9 * c + 20 * k;
  return points_of(tile) * tiles.count() * (c * k + transforms);
}

/// The convolutions that Winograd's forms compute.
inline bool is_winograd(const Geometry& g) { return is_three_by_three(g) && g.groups == 1; }

/// The costs of Winograd's forms are raised by this factor, as they are less accurate and not position invariant: they are chosen only where
/// they gain a tenth at least.
inline constexpr double least_gain = 1.1;

/// Least number of input and of output channels for tiles of 4x4: below, the gain is not worth the loss of accuracy.
inline constexpr std::int64_t winograd4_channels = 16;

inline std::int64_t winograd_cost(const Geometry& g, const TileCut& cut) { return winograd_cost(g, cut.fours, 4) + winograd_cost(g, cut.twos, 2); }

/// The cheapest cut of height x width outputs. Where 4 does not divide a side, either tiles of 4x4 reach beyond the end, or tiles of 2x2
/// cover the rest.
inline TileCut cut_of(const Geometry& g, std::int64_t height, std::int64_t width) {
  TileCut best = {tiles_of(height, width, 4), {}};
  for (const std::int64_t rows : {height / 4, best.fours.height})
    for (const std::int64_t columns : {width / 4, best.fours.width}) {
      Tiles twos = tiles_of(height, width, 2);
      twos.without_rows = std::min(2 * rows, twos.height), twos.without_columns = std::min(2 * columns, twos.width);
      const TileCut cut = {{rows, columns}, twos};
      if (winograd_cost(g, cut) < winograd_cost(g, best)) best = cut;
    }
  return best;
}

/// The part of a cut that covers output rows [begin, end). `begin` is a multiple of 4 if the cut has tiles of 4x4, else of 2; `end` too, or
/// the end of the map.
inline TileCut rows_of(const TileCut& cut, std::int64_t begin, std::int64_t end) {
  const auto part = [&](const Tiles& tiles, std::int64_t tile) {
    const std::int64_t first = std::min(begin / tile, tiles.height), last = std::min(core::ceil_div(end, tile), tiles.height);
    const std::int64_t without = std::clamp<std::int64_t>(tiles.without_rows - first, 0, last - first);
    return Tiles{last - first, tiles.width, without, without == 0 ? 0 : tiles.without_columns};
  };
  return {part(cut.fours, 4), part(cut.twos, 2)};
}

/// The cheapest cut if tiles of 4x4 are allowed (`fours`), else tiles of 2x2 alone.
inline TileCut cut_of(const Geometry& g, std::int64_t height, std::int64_t width, bool fours) {
  return fours ? cut_of(g, height, width) : TileCut{{}, tiles_of(height, width, 2)};
}
inline TileCut map_cut(const Geometry& g, bool fours) { return cut_of(g, g.out_height, g.out_width, fours); }
inline TileCut window_cut(const Geometry& g, const Geometry& pool, bool fours) { return cut_of(g, 2 * pool.out_height, 2 * pool.out_width, fours); }

/// Whether tiles of 4x4 have enough channels.
inline bool has_winograd4_channels(const Geometry& g) { return std::min(g.channels, g.out_channels) >= winograd4_channels; }

/// Cost of the kernel gradient for one image, in multiply-adds, with the form of winograd_cost. A transform of patch or gradient takes 6
/// products for each point (10 for 4x4). Reading and writing the sums takes as long as 8 tiles (16 for 4x4, 48 if the sums are larger than
/// `large_kernel`) for each call, and a call is assumed to have 8 images, a full shard.
inline std::int64_t winograd_gradient_cost(const Geometry& g, std::int64_t tile) {
  const std::int64_t c = g.channels, k = g.out_channels, points = points_of(tile);
  const std::int64_t transform = tile == 2 ? 6 : 10, sums = tile == 2 ? 1 : points * c * k <= large_kernel ? 2 : 6;
  return points * (tiles_of(g, tile).count() * (c * k + transform * (c + k)) + sums * c * k);
}

}  // namespace linn::detail::kernels::conv
