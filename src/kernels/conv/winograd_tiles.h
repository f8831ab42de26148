// Tiles of Winograd's F(2x2, 3x3) and F(4x4, 3x3): to which convolutions they apply, and how they cover a map.
// `tile` is the side of a tile of outputs: 2 or 4. Its patch of the input has (tile + 2) x (tile + 2) pixels.
#pragma once

#include <cstdint>

#include "core/checked.h"
#include "kernels/geometry.h"

namespace linn::detail::kernels::conv {

/// Window 3x3, stride 1, dilation 1: the convolutions for which Winograd's forms are defined.
inline bool is_three_by_three(const Geometry& conv) {
  return conv.window_height == 3 && conv.window_width == 3 && conv.stride_height == 1 && conv.stride_width == 1 &&
         conv.dilation_height == 1 && conv.dilation_width == 1;
}

/// Products for one tile, channel and output channel: the number of pixels of its patch, (tile + 2)^2.
constexpr std::int64_t points_of(std::int64_t tile) { return (tile + 2) * (tile + 2); }

/// points_of(2), for F(2x2, 3x3).
inline constexpr std::int64_t winograd_points = points_of(2);

/// A grid of height x width tiles on one image, without the tiles in the first `without_rows` rows and first `without_columns` columns,
/// which tiles of another size cover.
struct Tiles {
  std::int64_t height = 0, width = 0;
  std::int64_t without_rows = 0, without_columns = 0;
  std::int64_t count() const { return height * width - without_rows * without_columns; }
};

/// The outputs of one image, cut into tiles of 4x4 (from the upper left corner) and tiles of 2x2 (the rest). Either may be empty.
struct TileCut {
  Tiles fours, twos;
};

/// Tiles for height x width outputs. If `tile` does not divide a side, the last tiles reach beyond the end.
inline Tiles tiles_of(std::int64_t height, std::int64_t width, std::int64_t tile) {
  return {core::ceil_div(height, tile), core::ceil_div(width, tile)};
}
inline Tiles tiles_of(const Geometry& g, std::int64_t tile = 2) { return tiles_of(g.out_height, g.out_width, tile); }

/// Tiles of 2x2 for a 2x2 pooling: one for each window.
inline Tiles window_tiles(const Geometry& pool) { return {pool.out_height, pool.out_width}; }

/// The convolution that computes the input gradient: it reads ddst with turned weights, and writes dsrc.
inline Geometry backwards(const Geometry& g) {
  Geometry back = g;
  back.height = g.out_height, back.width = g.out_width, back.channels = g.out_channels;
  back.out_height = g.height, back.out_width = g.width, back.out_channels = g.channels;
  back.pad_top = 2 - g.pad_top, back.pad_bottom = 2 - g.pad_bottom, back.pad_left = 2 - g.pad_left, back.pad_right = 2 - g.pad_right;
  back.src_pixel = g.dst_pixel, back.src_row = g.dst_row, back.src_image = g.dst_image;
  back.dst_pixel = g.src_pixel, back.dst_row = g.src_row, back.dst_image = g.src_image;
  return back;
}

}  // namespace linn::detail::kernels::conv
