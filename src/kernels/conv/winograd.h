// Winograd's F(2x2, 3x3): where it applies, how what it keeps between its transforms lies, and its implementations of conv/conv.h.
// Those of convolution with pooling are in fused.h.
#pragma once

#include <algorithm>

#include "core/checked.h"
#include "core/cpu.h"
#include "kernels/conv/conv.h"

namespace linn::kernels::conv {

/// 3x3 taps side by side, a window at every position.
inline bool is_three_by_three(const Geometry& conv) {
  return conv.window_height == 3 && conv.window_width == 3 && conv.stride_height == 1 && conv.stride_width == 1 && conv.dilation_height == 1 &&
         conv.dilation_width == 1;
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

/// Whether this convolution of a map is quicker in this form than in the direct one.
inline bool winograd_pays(const Geometry& g) {
  return is_three_by_three(g) && g.groups == 1 && g.channels >= 8;
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
    tiles = std::max<std::int64_t>(most / 13 * 13, 26);  // whole tiles of 13 rows
    v_point = tiles * channels + winograd_line;
    m_point = tiles * outputs + winograd_line;
  }
  std::int64_t scratch() const { return winograd_points * (v_point + m_point) + winograd_line; }
  std::int64_t packed() const { return winograd_points * u_point; }

  std::int64_t channels, outputs;          // rounded up to vectors
  std::int64_t u_point, v_point, m_point;  // from a point to the next
  std::int64_t tiles;                      // of a chunk

 private:
  static constexpr std::int64_t chunk_elements = 131072;  // of V and M: 512 KiB
};

/// A tile is 2x2 outputs (winograd_map.cc).
struct WinogradForward {
  static constexpr std::string_view name = "winograd";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
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

}  // namespace linn::kernels::conv
