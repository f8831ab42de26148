// Implementations of convolution with pooling (conv/pooled.h).
#pragma once

#include "core/cpu.h"
#include "kernels/conv/pooled.h"
#include "kernels/conv/winograd.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::conv {

/// Pooling windows of 2x2 with stride 2 that all lie inside the map.
inline bool is_two_by_two(const Geometry& pool) {
  return pool.window_height == 2 && pool.window_width == 2 && pool.stride_height == 2 && pool.stride_width == 2 && pool.dilation_height == 1 &&
         pool.dilation_width == 1 && pool.pad_top == 0 && pool.pad_left == 0 && 2 * pool.out_height <= pool.height && 2 * pool.out_width <= pool.width;
}

/// Winograd's F(2x2, 3x3), where a tile of outputs is one pooling window, or F(4x4, 3x3), where it is four windows (winograd_pool.cc).
template <int kTile>
struct WinogradPoolOf {
  static constexpr std::string_view name = kTile == 2 ? "winograd" : "winograd4";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
  static constexpr std::int64_t period = kTile == 2 ? 1 : 0;  // with 2x2 each window is a whole tile
  static constexpr bool local = kTile == 2;
  static constexpr bool direct_form = false;
  static bool accepts(const ConvPoolForward::Problem& problem);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolForward::Problem& problem);
  static void pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};
using WinogradPool = WinogradPoolOf<2>;
using Winograd4Pool = WinogradPoolOf<4>;

/// F(2x2, 3x3) for one input channel (winograd_plane.cc).
struct WinogradPlane {
  static constexpr std::string_view name = "winograd_plane";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
  static constexpr std::int64_t period = 1;  // a window is a tile
  static constexpr bool direct_form = false;
  static bool accepts(const ConvPoolForward::Problem& problem);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolForward::Problem& problem) { return WinogradPool::packed(problem); }
  static void pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) { WinogradPool::pack(problem, kernel, packed); }
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};

/// Direct form for 2x2 windows, whose four cells stay in registers (windows.cc). The same bits as Strip.
struct Windows {
  static constexpr std::string_view name = "windows";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvPoolForward::Problem& problem);
  static std::int64_t scratch(const ConvPoolForward::Problem&, std::int64_t) { return 0; }
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};

/// Direct form for any geometry: computes a strip of the map's rows, pools it, and overwrites it with the next (strip.cc).
struct Strip {
  static constexpr std::string_view name = "strip";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvPoolForward::Problem& problem);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, std::int64_t images);
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};

/// F(2x2, 3x3) with bfloat16 products (winograd_bf16.cc).
struct Bf16WinogradPool {
  static constexpr std::string_view name = "winograd_bf16";
  static constexpr core::Isa needs = core::Isa::avx512_bf16;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = false;
  static constexpr std::int64_t period = 1;  // a window is a tile
  static constexpr bool direct_form = false;
  static bool accepts(const ConvPoolForward::Problem& problem);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolForward::Problem& problem);
  static void pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};

/// Direct form for 2x2 windows with bfloat16 products (windows_bf16.cc).
struct Bf16Windows {
  static constexpr std::string_view name = "windows_bf16";
  static constexpr core::Isa needs = core::Isa::avx512_bf16;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvPoolForward::Problem& problem);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolForward::Problem& problem);
  static void pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};

/// Strip with a convolution in bfloat16; accepts what that computes faster (strip.cc, direct_bf16.cc).
struct Bf16Strip {
  static constexpr std::string_view name = "strip_bf16";
  static constexpr core::Isa needs = core::Isa::avx512_bf16;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvPoolForward::Problem& problem);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolForward::Problem& problem);
  static void pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};

/// Sums over the live windows of each channel only (sparse_kernel_gradient.cc).
struct SparseKernelGradient {
  static constexpr std::string_view name = "sparse";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvPoolKernelGradient::Problem& problem);
  static std::int64_t scratch(const ConvPoolKernelGradient::Problem& problem, std::int64_t images);
  static void run(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args);
};

/// One input channel, 3x3 taps, 2x2 windows: one register holds the 16 pixels that a window depends on (lookup_kernel_gradient.cc).
struct LookupKernelGradient {
  static constexpr std::string_view name = "lookup";
  static constexpr core::Isa needs = core::Isa::avx512;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvPoolKernelGradient::Problem& problem);
  static std::int64_t scratch(const ConvPoolKernelGradient::Problem&, std::int64_t) { return 0; }
  static void run(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args);
};

/// Any geometry: writes the gradient of the whole map with its zeros, image by image, and runs the dense kernel on it (expanded.cc).
struct ExpandedKernelGradient {
  static constexpr std::string_view name = "expanded";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvPoolKernelGradient::Problem& problem);
  static std::int64_t scratch(const ConvPoolKernelGradient::Problem& problem, std::int64_t images);
  static void run(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args);
};

/// The same with Winograd's form as the dense kernel; accepts what that computes faster than a sum over live windows.
template <int kTile>
struct ExpandedWinogradKernelGradientOf {
  static constexpr std::string_view name = kTile == 2 ? "expanded_winograd" : "expanded_winograd4";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
  static constexpr bool direct_form = false;
  static bool accepts(const ConvPoolKernelGradient::Problem& problem);
  static std::int64_t scratch(const ConvPoolKernelGradient::Problem& problem, std::int64_t images);
  static void run(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args);
};
using ExpandedWinogradKernelGradient = ExpandedWinogradKernelGradientOf<2>;
using ExpandedWinograd4KernelGradient = ExpandedWinogradKernelGradientOf<4>;

/// 3x3 taps, 2x2 windows: sums over live windows with the window's patch in registers (sparse_input_gradient.cc).
struct SparseInputGradient {
  static constexpr std::string_view name = "sparse";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvPoolInputGradient::Problem& problem);
  static std::int64_t scratch(const ConvPoolInputGradient::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolInputGradient::Problem& problem);
  static void pack(const ConvPoolInputGradient::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolInputGradient::Problem& problem, const ConvPoolInputGradient::Args<float>& args);
};

/// Input gradient in the way of ExpandedKernelGradient, for any geometry (expanded.cc).
struct ExpandedInputGradient {
  static constexpr std::string_view name = "expanded";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvPoolInputGradient::Problem& problem);
  static std::int64_t scratch(const ConvPoolInputGradient::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolInputGradient::Problem& problem);
  static void pack(const ConvPoolInputGradient::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolInputGradient::Problem& problem, const ConvPoolInputGradient::Args<float>& args);
};

/// Input gradient in the way of ExpandedWinogradKernelGradientOf.
template <int kTile>
struct ExpandedWinogradInputGradientOf {
  static constexpr std::string_view name = kTile == 2 ? "expanded_winograd" : "expanded_winograd4";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = false;
  static constexpr bool direct_form = false;
  static bool accepts(const ConvPoolInputGradient::Problem& problem);
  static std::int64_t scratch(const ConvPoolInputGradient::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolInputGradient::Problem& problem);
  static void pack(const ConvPoolInputGradient::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolInputGradient::Problem& problem, const ConvPoolInputGradient::Args<float>& args);
};
using ExpandedWinogradInputGradient = ExpandedWinogradInputGradientOf<2>;
using ExpandedWinograd4InputGradient = ExpandedWinogradInputGradientOf<4>;

}  // namespace linn::detail::kernels::conv
