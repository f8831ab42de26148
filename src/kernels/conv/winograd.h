// Winograd's F(2x2, 3x3): where it applies, how what it keeps between its transforms lies, and its implementations of conv/conv.h.
// Those of convolution with pooling are in fused.h.
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

/// Products of a tile of F(2x2, 3x3).
inline constexpr std::int64_t winograd_points = 16;

/// Tiles of 2x2 outputs of one image.
struct Tiles {
  std::int64_t height = 0, width = 0;
  std::int64_t count() const { return height * width; }
};

/// Those of a whole map; at an odd size the last ones have outputs beyond its end.
inline Tiles tiles_of(const Geometry& g) { return {core::ceil_div(g.out_height, 2), core::ceil_div(g.out_width, 2)}; }

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

/// Whether a convolution takes a tenth less time in this form than in the direct one, by a model of both in multiply-adds: 16 a tile
/// against those of the pixels that windows see. Transforming a vector of channels takes as long as 5 of its tile's products, the way back
/// as 10. Fitted to times of 8 to 256 channels on 2x2 to 28x28 on Zen 5: most are within a tenth of it, and AVX2 gains a little more.
inline bool winograd_pays(const Geometry& g) {
  if (!is_three_by_three(g) || g.groups != 1) return false;
  const std::int64_t c = g.channels, k = g.out_channels;
  return 10 * pairs(g) * c * k >= 11 * winograd_points * tiles_of(g).count() * (c * k + 5 * c + 10 * k);
}

/// The same for the kernel's gradient, whose direct form computes padding's zeros too. Transforming takes 6 products either way, and
/// reading and writing the sums as long as 8 tiles; a call is taken to have 8 images, as a full shard has.
inline bool winograd_gradient_pays(const Geometry& g) {
  if (!is_three_by_three(g) || g.groups != 1) return false;
  const std::int64_t c = g.channels, k = g.out_channels;
  return 10 * 9 * g.out_height * g.out_width * c * k >= 11 * winograd_points * (tiles_of(g).count() * (c * k + 6 * (c + k)) + c * k);
}

/// Floats between two points, so that they do not meet in the same sets of the L1 cache.
inline constexpr std::int64_t winograd_line = 16;

/// Output channels that lie side by side in U: two vectors of the widest set, what the product takes at a time.
inline constexpr std::int64_t winograd_panel = 32;

/// How V[point][tile][channel], M[point][tile][output] and U[point][panel of outputs][channel][output] lie.
struct WinogradLayout {
  explicit WinogradLayout(const Geometry& g)
      : channels(core::round_up(g.channels, 16)), outputs(core::round_up(g.out_channels, 16)), u_point(g.channels * outputs) {
    const std::int64_t most = chunk_elements / (winograd_points * (channels + outputs));
    // Whole tiles of 13 rows; two at least, as U comes from beyond the L2 cache with many channels.
    // (Chunks of 52 or 130 tiles of 256 channels are as quick: what they save in reading U they lose in V and M.)
    tiles = std::max<std::int64_t>(most / 13 * 13, 26);
    v_point = tiles * channels + winograd_line;
    m_point = tiles * outputs + winograd_line;
  }
  std::int64_t scratch() const { return winograd_points * (v_point + m_point) + winograd_line; }
  std::int64_t packed() const { return winograd_points * u_point; }

  std::int64_t channels, outputs;          // rounded up to vectors
  std::int64_t u_point, v_point, m_point;  // from a point to the next
  std::int64_t tiles;                      // of a chunk

 private:
  static constexpr std::int64_t chunk_elements = 131072;  // of V and M: 512 KiB. Half and twice as many are 1 to 4 % slower.
};

/// How V[point][tile][channel], W[point][panel of outputs][tile][output] and sums[point][channel][output] of the kernel's gradient lie.
struct WinogradSumLayout {
  WinogradSumLayout(const Geometry& g, std::int64_t images)
      : channels(core::round_up(g.channels, 16)),
        outputs(core::round_up(g.out_channels, 16)),
        sum_point(g.channels * outputs + winograd_line) {
    const std::int64_t all = std::max<std::int64_t>(images * tiles_of(g).count(), 1);
    most = std::min(all, std::max(chunk_elements / (winograd_points * (channels + outputs)), least_tiles));
    tiles = core::ceil_div(all, core::ceil_div(all, most));
    v_point = tiles * channels + winograd_line;
    w_point = tiles * outputs + winograd_line;
  }
  /// Never less for more images: a call may have fewer than it was planned for.
  std::int64_t scratch() const { return winograd_points * (most * (channels + outputs) + sum_point + 2 * winograd_line) + winograd_line; }

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
  const float* packed;
  const float* bias;  // or null
  bool relu;
  float* dst;
  float* scratch;
};

/// A tile is 2x2 outputs (winograd_map.cc).
struct WinogradForward {
  static constexpr std::string_view name = "winograd";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
  static constexpr std::int64_t period = 2;
  static constexpr bool direct_form = false;
  static bool accepts(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvForward::Problem& problem);
  static void pack(const ConvForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// A tile is 2x2 pixels of the input's gradient (winograd_map.cc).
struct WinogradInputGradient {
  static constexpr std::string_view name = "winograd";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
  static constexpr bool direct_form = false;
  static bool accepts(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static std::int64_t packed(const Geometry& geometry);
  static void pack(const Geometry& geometry, const float* transposed_kernel, float* packed);
  static void run(const Geometry& geometry, const ConvInputGradient::Args<float>& args);
};

/// F(3x3, 2x2), the same transforms the other way round (winograd_kernel_gradient.cc).
struct WinogradKernelGradient {
  static constexpr std::string_view name = "winograd";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
  static constexpr bool direct_form = false;
  static bool accepts(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

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
