// Memory layout of what Winograd's forms keep between their transforms and products.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/checked.h"
#include "core/cpu.h"
#include "kernels/conv/winograd_cost.h"
#include "kernels/conv/winograd_tiles.h"

namespace linn::detail::kernels::conv {

/// Gap between two points in floats, so that the points do not fall into the same sets of the L1 cache.
inline constexpr std::int64_t winograd_line = 16;

/// Output channels side by side in U and W: two vectors, the columns that a product takes at a time, or fewer if there are no more.
inline std::int64_t winograd_panel(std::int64_t outputs) { return std::min<std::int64_t>(2 * core::lanes(), outputs); }

/// Layout of the transformed patches V[point][tile][channel], the products M[point][tile][output] and the transformed weights
/// U[point][panel of outputs][channel][output].
struct WinogradLayout {
  explicit WinogradLayout(const Geometry& g, std::int64_t tile = 2)
      : points(points_of(tile)),
        channels(core::round_up(g.channels, 16)),
        outputs(core::round_up(g.out_channels, 16)),
        panel(winograd_panel(outputs)),
        u_point(g.channels * core::round_up(outputs, panel)) {
    const std::int64_t most = chunk_elements / (points * (channels + outputs));
    // A multiple of 13, the rows that a product takes at a time. At least 26, because with many channels U comes from beyond the L2 cache
    // and is read once for each chunk; at least 65 if U is larger than large_kernel, because it then comes from memory.
    // Measured: with 256 channels 52 or 130 tiles take as long as 26, since V and M then leave the cache. With 384 and 512 channels and
    // tiles of 4x4, 65 tiles take a sixth less time than 26, and 104 as long as 65.
    tiles = std::max<std::int64_t>(most / 13 * 13, packed() > large_kernel ? 65 : 26);
    v_point = tiles * channels + winograd_line;
    m_point = tiles * outputs + winograd_line;
  }
  std::int64_t scratch() const { return points * (v_point + m_point) + winograd_line; }
  std::int64_t packed() const { return points * u_point; }

  std::int64_t points;
  std::int64_t channels, outputs;          // rounded up to vectors
  std::int64_t panel;                      // outputs side by side in U
  std::int64_t u_point, v_point, m_point;  // pitch of the points
  std::int64_t tiles;                      // in a chunk

 private:
  static constexpr std::int64_t chunk_elements = 131072;  // of V and M: 512 KiB. Half or twice as many are 1 to 4 % slower.
};

/// Elements of U for the tiles of 4x4 of a cut.
inline std::int64_t packed_fours(const Geometry& g, const TileCut& cut) { return cut.fours.count() > 0 ? WinogradLayout(g, 4).packed() : 0; }
/// Elements of U for both sizes of tiles. U of the tiles of 4x4 comes first.
inline std::int64_t winograd_packed(const Geometry& g, const TileCut& cut) {
  return packed_fours(g, cut) + (cut.twos.count() > 0 ? WinogradLayout(g, 2).packed() : 0);
}
/// Elements of scratch. Both sizes of tiles use the same scratch, one after the other.
inline std::int64_t winograd_scratch(const Geometry& g, const TileCut& cut) {
  return std::max(cut.fours.count() > 0 ? WinogradLayout(g, 4).scratch() : 0, cut.twos.count() > 0 ? WinogradLayout(g, 2).scratch() : 0);
}

/// Layout for the kernel gradient: transformed patches V[point][tile][channel], transformed gradients W[point][panel of
/// outputs][tile][output], and sums[point][channel][output].
struct WinogradSumLayout {
  WinogradSumLayout(const Geometry& g, std::int64_t images, std::int64_t tile = 2)
      : points(points_of(tile)),
        channels(core::round_up(g.channels, 16)),
        outputs(core::round_up(g.out_channels, 16)),
        panel(winograd_panel(outputs)),
        sum_point(g.channels * outputs + winograd_line) {
    const std::int64_t all = std::max<std::int64_t>(images * tiles_of(g, tile).count(), 1);
    most = std::min(all, std::max(chunk_elements / (points * (channels + outputs)), least_tiles));
    tiles = core::ceil_div(all, core::ceil_div(all, most));
    v_point = tiles * channels + winograd_line;
    w_point = tiles * core::round_up(outputs, panel) + winograd_line;
  }
  /// Grows with the number of images (through `most`), so that scratch planned for the largest batch is enough for a smaller one.
  std::int64_t scratch() const { return points * (most * (channels + core::round_up(outputs, panel)) + sum_point + 2 * winograd_line) + winograd_line; }

  std::int64_t points;
  std::int64_t channels, outputs;            // rounded up to vectors
  std::int64_t panel;                        // outputs side by side in W
  std::int64_t sum_point, v_point, w_point;  // pitch of the points
  std::int64_t most, tiles;                  // largest allowed number in a chunk; number in a chunk, such that all chunks have about the same size

 private:
  // V and W of a chunk take 1 MiB, but a chunk has at least 128 tiles: each chunk reads and writes all sums, 16 for each 9 weights.
  // Measured: half as many tiles take up to 7 % longer with 128 and 256 channels; twice as many are at most 3 % faster.
  static constexpr std::int64_t chunk_elements = 262144;
  static constexpr std::int64_t least_tiles = 128;
};

}  // namespace linn::detail::kernels::conv
