// Winograd's F(2x2, 3x3) and F(4x4, 3x3): where they apply, how what they keep between their transforms lies, and their implementations of
// conv/conv.h. Those of convolution with pooling are in fused.h. `tile` is the side of a tile of outputs: 2 or 4.
#pragma once

#include <algorithm>

#include "core/checked.h"
#include "core/cpu.h"
#include "kernels/conv/conv.h"
#include "kernels/implementation.h"

namespace linn::kernels::conv {

/// 3x3 taps side by side, a window at every position.
inline bool is_three_by_three(const Geometry& conv) {
  return conv.window_height == 3 && conv.window_width == 3 && conv.stride_height == 1 && conv.stride_width == 1 &&
         conv.dilation_height == 1 && conv.dilation_width == 1;
}

/// Products of a tile: as many as its patch has pixels.
constexpr std::int64_t points_of(std::int64_t tile) { return (tile + 2) * (tile + 2); }

/// Those of F(2x2, 3x3).
inline constexpr std::int64_t winograd_points = points_of(2);

/// Tiles of one image, but for the first `without_rows` rows of the first `without_columns` columns, if others make those.
struct Tiles {
  std::int64_t height = 0, width = 0;
  std::int64_t without_rows = 0, without_columns = 0;
  std::int64_t count() const { return height * width - without_rows * without_columns; }
};

/// The outputs of one image in tiles of 4x4, which begin in its corner, and what is left in tiles of 2x2. Either may be none.
struct TileCut {
  Tiles fours, twos;
};

/// Those of so many outputs; where the size does not divide theirs, the last ones have outputs beyond the end.
inline Tiles tiles_of(std::int64_t height, std::int64_t width, std::int64_t tile) {
  return {core::ceil_div(height, tile), core::ceil_div(width, tile)};
}
inline Tiles tiles_of(const Geometry& g, std::int64_t tile = 2) { return tiles_of(g.out_height, g.out_width, tile); }

/// Those of a pooling's 2x2 windows, one each.
inline Tiles window_tiles(const Geometry& pool) { return {pool.out_height, pool.out_width}; }

/// The convolution that gives the input's gradient of this one: ddst under the taps in turned order.
inline Geometry backwards(const Geometry& g) {
  Geometry back = g;
  back.height = g.out_height, back.width = g.out_width, back.channels = g.out_channels;
  back.out_height = g.height, back.out_width = g.width, back.out_channels = g.channels;
  back.pad_top = 2 - g.pad_top, back.pad_bottom = 2 - g.pad_bottom, back.pad_left = 2 - g.pad_left, back.pad_right = 2 - g.pad_right;
  back.src_pixel = g.dst_pixel, back.src_row = g.dst_row, back.src_image = g.dst_image;
  back.dst_pixel = g.src_pixel, back.dst_row = g.src_row, back.dst_image = g.src_image;
  return back;
}

/// How long so many tiles of a convolution take, in multiply-adds: one a point and pair of channels, and the transforms. Transforming a
/// vector of channels takes as long as 5 of its tile's products for each of its points, the way back as 10; for a tile of 4x4 9 and 20.
/// Fitted to times of 8 to 256 channels on 2x2 to 56x56 on Zen 5: most are within a tenth of it, and AVX2 gains a little more.
inline std::int64_t winograd_cost(const Geometry& g, const Tiles& tiles, std::int64_t tile) {
  const std::int64_t c = g.channels, k = g.out_channels, transforms = tile == 2 ? 5 * c + 10 * k : 9 * c + 20 * k;
  return points_of(tile) * tiles.count() * (c * k + transforms);
}

/// Whether a convolution takes a tenth less time in this form than in the direct one, which computes the pixels that windows see.
inline bool winograd_pays(const Geometry& g) {
  if (!is_three_by_three(g) || g.groups != 1) return false;
  return 10 * pairs(g) * g.channels * g.out_channels >= 11 * winograd_cost(g, tiles_of(g), 2);
}

/// Numbers of a transformed kernel from which on it hardly finds room beside the rest in a cache that all cores share: 16 MiB.
inline constexpr std::int64_t large_kernel = 1 << 22;

/// Channels, both of the input and the output, from which on tiles of 4x4 are worth what they cost in accuracy.
inline constexpr std::int64_t winograd4_channels = 16;

inline std::int64_t winograd_cost(const Geometry& g, const TileCut& cut) { return winograd_cost(g, cut.fours, 4) + winograd_cost(g, cut.twos, 2); }

/// The cheapest cut of so many outputs. Where 4 does not divide them, tiles of 4x4 reach beyond the end, or those of 2x2 do what is left.
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

/// Tiles of 2x2 alone, or, if `fours` is set, the cheapest cut.
inline TileCut cut_of(const Geometry& g, std::int64_t height, std::int64_t width, bool fours) {
  return fours ? cut_of(g, height, width) : TileCut{{}, tiles_of(height, width, 2)};
}
inline TileCut map_cut(const Geometry& g, bool fours) { return cut_of(g, g.out_height, g.out_width, fours); }
inline TileCut window_cut(const Geometry& g, const Geometry& pool, bool fours) { return cut_of(g, 2 * pool.out_height, 2 * pool.out_width, fours); }

/// Whether a cut with tiles of 4x4 takes a tenth less time than other forms do, which cost so much.
inline bool winograd4_pays(const Geometry& g, const TileCut& cut, std::int64_t others) {
  return std::min(g.channels, g.out_channels) >= winograd4_channels && 10 * others >= 11 * winograd_cost(g, cut);
}
inline bool winograd4_pays(const Geometry& g) {
  if (!is_three_by_three(g) || g.groups != 1) return false;
  const std::int64_t direct = pairs(g) * g.channels * g.out_channels;
  return winograd4_pays(g, map_cut(g, true), std::min(direct, winograd_cost(g, tiles_of(g), 2)));
}

/// The same for the kernel's gradient. Transforming takes 6 products either way, for a tile of 4x4 10, and reading and writing the sums as
/// long as 8 tiles, 16 of 4x4, three times that where they are large; a call is taken to have 8 images, as a full shard has.
inline std::int64_t winograd_gradient_cost(const Geometry& g, std::int64_t tile) {
  const std::int64_t c = g.channels, k = g.out_channels, points = points_of(tile);
  const std::int64_t transform = tile == 2 ? 6 : 10, sums = tile == 2 ? 1 : points * c * k <= large_kernel ? 2 : 6;
  return points * (tiles_of(g, tile).count() * (c * k + transform * (c + k)) + sums * c * k);
}

/// Of the direct form, which computes padding's zeros too.
inline std::int64_t direct_gradient_cost(const Geometry& g) { return 9 * g.out_height * g.out_width * g.channels * g.out_channels; }

inline bool winograd_gradient_pays(const Geometry& g) {
  return is_three_by_three(g) && g.groups == 1 && 10 * direct_gradient_cost(g) >= 11 * winograd_gradient_cost(g, 2);
}

inline bool winograd4_gradient_pays(const Geometry& g) {
  if (!is_three_by_three(g) || g.groups != 1 || std::min(g.channels, g.out_channels) < winograd4_channels) return false;
  return 10 * std::min(direct_gradient_cost(g), winograd_gradient_cost(g, 2)) >= 11 * winograd_gradient_cost(g, 4);
}

/// Floats between two points, so that they do not meet in the same sets of the L1 cache.
inline constexpr std::int64_t winograd_line = 16;

/// Output channels that lie side by side in U: two vectors of the widest set, what the product takes at a time.
inline constexpr std::int64_t winograd_panel = 32;

/// How V[point][tile][channel], M[point][tile][output] and U[point][panel of outputs][channel][output] lie.
struct WinogradLayout {
  explicit WinogradLayout(const Geometry& g, std::int64_t tile = 2)
      : points(points_of(tile)),
        channels(core::round_up(g.channels, 16)),
        outputs(core::round_up(g.out_channels, 16)),
        u_point(g.channels * outputs) {
    const std::int64_t most = chunk_elements / (points * (channels + outputs));
    // Whole tiles of 13 rows; two at least, as U comes from beyond the L2 cache with many channels, and five where it is so large that
    // other memory waits for it. (Chunks of 52 or 130 tiles of 256 channels are as quick as 26: what they save in reading U they lose in V
    // and M. Of 384 and 512 channels, tiles of 4x4, 65 take a sixth less time, and 104 the same.)
    tiles = std::max<std::int64_t>(most / 13 * 13, packed() > large_kernel ? 65 : 26);
    v_point = tiles * channels + winograd_line;
    m_point = tiles * outputs + winograd_line;
  }
  std::int64_t scratch() const { return points * (v_point + m_point) + winograd_line; }
  std::int64_t packed() const { return points * u_point; }

  std::int64_t points;
  std::int64_t channels, outputs;          // rounded up to vectors
  std::int64_t u_point, v_point, m_point;  // from a point to the next
  std::int64_t tiles;                      // of a chunk

 private:
  static constexpr std::int64_t chunk_elements = 131072;  // of V and M: 512 KiB. Half and twice as many are 1 to 4 % slower.
};

/// Of a kernel's transforms for tiles of 4x4, and for both kinds, those of 4x4 first; and of the scratch that either needs.
inline std::int64_t packed_fours(const Geometry& g, const TileCut& cut) { return cut.fours.count() > 0 ? WinogradLayout(g, 4).packed() : 0; }
inline std::int64_t winograd_packed(const Geometry& g, const TileCut& cut) {
  return packed_fours(g, cut) + (cut.twos.count() > 0 ? WinogradLayout(g, 2).packed() : 0);
}
inline std::int64_t winograd_scratch(const Geometry& g, const TileCut& cut) {
  return std::max(cut.fours.count() > 0 ? WinogradLayout(g, 4).scratch() : 0, cut.twos.count() > 0 ? WinogradLayout(g, 2).scratch() : 0);
}

/// How V[point][tile][channel], W[point][panel of outputs][tile][output] and sums[point][channel][output] of the kernel's gradient lie.
struct WinogradSumLayout {
  WinogradSumLayout(const Geometry& g, std::int64_t images, std::int64_t tile = 2)
      : points(points_of(tile)),
        channels(core::round_up(g.channels, 16)),
        outputs(core::round_up(g.out_channels, 16)),
        sum_point(g.channels * outputs + winograd_line) {
    const std::int64_t all = std::max<std::int64_t>(images * tiles_of(g, tile).count(), 1);
    most = std::min(all, std::max(chunk_elements / (points * (channels + outputs)), least_tiles));
    tiles = core::ceil_div(all, core::ceil_div(all, most));
    v_point = tiles * channels + winograd_line;
    w_point = tiles * outputs + winograd_line;
  }
  /// Never less for more images: a call may have fewer than it was planned for.
  std::int64_t scratch() const { return points * (most * (channels + outputs) + sum_point + 2 * winograd_line) + winograd_line; }

  std::int64_t points;
  std::int64_t channels, outputs;            // rounded up to vectors
  std::int64_t sum_point, v_point, w_point;  // from a point to the next
  std::int64_t most, tiles;                  // at most in a chunk; in each, so that all are of about one size

 private:
  // V and W of a chunk: 1 MiB, yet so many tiles that the sums, 16 for each nine weights, are worth reading and writing once more. Half as
  // many take up to 7 % longer with 128 and 256 channels, twice as many are 3 % quicker at most.
  static constexpr std::int64_t chunk_elements = 262144;
  static constexpr std::int64_t least_tiles = 128;
};

/// What goes through the transforms from the map `src` to the map `dst`, either way.
struct MapArgs {
  std::int64_t images;
  const float* src;
  const float* kernel;  // [3, 3, channels, out channels]
  bool turned;          // its taps, from the last to the first
  const float* packed;
  const float* bias;  // or null
  bool relu;
  float* dst;
  float* scratch;
};

/// Tiles of kTile x kTile outputs (winograd_map.cc).
template <int kTile>
struct WinogradForwardOf {
  static constexpr std::string_view name = kTile == 2 ? "winograd" : "winograd4";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
  static constexpr std::int64_t period = kTile == 2 ? 2 : 0;
  static constexpr bool local = kTile == 2;  // of 4x4 each output has rounding errors of the whole patch
  static constexpr bool direct_form = false;
  static bool accepts(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvForward::Problem& problem);
  static void pack(const ConvForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};
using WinogradForward = WinogradForwardOf<2>;
using Winograd4Forward = WinogradForwardOf<4>;

/// Tiles of kTile x kTile pixels of the input's gradient (winograd_map.cc).
template <int kTile>
struct WinogradInputGradientOf {
  static constexpr std::string_view name = kTile == 2 ? "winograd" : "winograd4";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
  static constexpr bool local = kTile == 2;
  static constexpr bool direct_form = false;
  static bool accepts(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static std::int64_t packed(const Geometry& geometry);
  static void pack(const Geometry& geometry, const float* transposed_kernel, float* packed);
  static void run(const Geometry& geometry, const ConvInputGradient::Args<float>& args);
};
using WinogradInputGradient = WinogradInputGradientOf<2>;
using Winograd4InputGradient = WinogradInputGradientOf<4>;

/// F(3x3, 2x2) or F(3x3, 4x4), the same transforms the other way round (winograd_kernel_gradient.cc).
template <int kTile>
struct WinogradKernelGradientOf {
  static constexpr std::string_view name = kTile == 2 ? "winograd" : "winograd4";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
  static constexpr bool direct_form = false;
  static bool accepts(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};
using WinogradKernelGradient = WinogradKernelGradientOf<2>;
using Winograd4KernelGradient = WinogradKernelGradientOf<4>;

/// As WinogradForward, with bfloat16 products, where that is quicker than Bf16Forward (winograd_bf16.cc).
struct Bf16WinogradForward {
  static constexpr std::string_view name = "winograd_bf16";
  static constexpr core::Isa needs = core::Isa::avx512_bf16;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = false;
  static constexpr std::int64_t period = 2;
  static constexpr bool direct_form = false;
  static bool accepts(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvForward::Problem& problem);
  static void pack(const ConvForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// As WinogradInputGradient, likewise.
struct Bf16WinogradInputGradient {
  static constexpr std::string_view name = "winograd_bf16";
  static constexpr core::Isa needs = core::Isa::avx512_bf16;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = false;
  static constexpr bool direct_form = false;
  static bool accepts(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static std::int64_t packed(const Geometry& geometry);
  static void pack(const Geometry& geometry, const float* transposed_kernel, float* packed);
  static void run(const Geometry& geometry, const ConvInputGradient::Args<float>& args);
};

/// As WinogradKernelGradient, likewise (winograd_kernel_gradient_bf16.cc).
struct Bf16WinogradKernelGradient {
  static constexpr std::string_view name = "winograd_bf16";
  static constexpr core::Isa needs = core::Isa::avx512_bf16;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = false;
  static constexpr bool direct_form = false;
  static bool accepts(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

}  // namespace linn::kernels::conv
