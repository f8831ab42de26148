// Implementations of convolution with pooling (conv/pooled.h).
#pragma once

#include <optional>
#include <string>

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
struct WinogradPoolOf : Implements<ConvPoolForward> {
  static constexpr std::string_view name = kTile == 2 ? "winograd" : "winograd4";
  using State = typename WinogradForwardOf<kTile>::State;
  static constexpr std::int64_t row_step = 2;
  static std::optional<State> prepare(const ConvPoolForward::Problem& problem, const Policy& policy);
  /// With 2x2 each window is a whole tile.
  static Numerics numerics(const ConvPoolForward::Problem&, const State&) {
    return {.position_invariant = false, .period = kTile == 2 ? 1 : 0, .local = kTile == 2, .direct_form = false};
  }
  static double cost(const ConvPoolForward::Problem& problem, const State& state);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, const State& state, std::int64_t images);
  static std::int64_t packed(const ConvPoolForward::Problem& problem, const State& state);
  static void pack(const ConvPoolForward::Problem& problem, const State& state, const float* kernel, float* packed);
  static void run(const ConvPoolForward::Problem& problem, const State& state, const ConvPoolForward::Args<float>& args);
};
using WinogradPool = WinogradPoolOf<2>;
using Winograd4Pool = WinogradPoolOf<4>;

/// F(2x2, 3x3) for one input channel (winograd_plane.cc).
struct WinogradPlane : Implements<ConvPoolForward> {
  static constexpr std::string_view name = "winograd_plane";
  /// A window is a tile.
  static constexpr Numerics numerics = {.position_invariant = false, .period = 1, .direct_form = false};
  static bool supports(const ConvPoolForward::Problem& problem);
  static double cost(const ConvPoolForward::Problem& problem);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolForward::Problem& problem);
  static void pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};

/// Direct form for 2x2 windows, whose four cells stay in registers (windows.cc). The same bits as Strip.
struct Windows : Implements<ConvPoolForward> {
  static constexpr std::string_view name = "windows";
  static constexpr std::int64_t row_step = 2;
  static bool supports(const ConvPoolForward::Problem& problem);
  static double cost(const ConvPoolForward::Problem& problem);
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};

/// Any convolution and any pooling: computes a strip of the map's rows, or the maps of a few images, with the cheapest implementation of
/// ConvForward, and pools it before the next (strip.cc). Gives the bits of that convolution with the pooling behind it.
struct Strip : Implements<ConvPoolForward> {
  static constexpr std::string_view name = "strip";
  static constexpr bool composition = true;
  static constexpr std::int64_t row_step = 1;
  struct State {
    Implementation<ConvForward> conv;
    Implementation<PoolForward> pool;
    std::int64_t images;   // at a time; 1 if rows of an image are
    std::int64_t windows;  // rows of windows at a time
    std::int64_t rows;     // of the map that scratch holds for each image
  };
  static std::optional<State> prepare(const ConvPoolForward::Problem& problem, const Policy& policy);
  static Numerics numerics(const ConvPoolForward::Problem& problem, const State& state);
  static double cost(const ConvPoolForward::Problem& problem, const State& state);
  static std::string label(const State& state);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, const State& state, std::int64_t images);
  static std::int64_t packed(const ConvPoolForward::Problem& problem, const State& state);
  static void pack(const ConvPoolForward::Problem& problem, const State& state, const float* kernel, float* packed);
  static void run(const ConvPoolForward::Problem& problem, const State& state, const ConvPoolForward::Args<float>& args);
};

/// F(2x2, 3x3) with bfloat16 products (winograd_bf16.cc).
struct Bf16WinogradPool : Implements<ConvPoolForward> {
  static constexpr std::string_view name = "winograd_bf16";
  static constexpr core::Feature needs = core::Feature::bfloat16_products;
  /// A window is a tile.
  static constexpr Numerics numerics = {.position_invariant = false, .period = 1, .direct_form = false, .operands = Operands::bfloat16};
  static bool supports(const ConvPoolForward::Problem& problem);
  static double cost(const ConvPoolForward::Problem& problem);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolForward::Problem& problem);
  static void pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};

/// Direct form for 2x2 windows with bfloat16 products (windows_bf16.cc).
struct Bf16Windows : Implements<ConvPoolForward> {
  static constexpr std::string_view name = "windows_bf16";
  static constexpr core::Feature needs = core::Feature::bfloat16_products;
  static constexpr Numerics numerics = {.operands = Operands::bfloat16};
  static bool supports(const ConvPoolForward::Problem& problem);
  static double cost(const ConvPoolForward::Problem& problem);
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolForward::Problem& problem);
  static void pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args);
};

/// Sums over the live windows of each channel only (sparse_kernel_gradient.cc).
struct SparseKernelGradient : Implements<ConvPoolKernelGradient> {
  static constexpr std::string_view name = "sparse";
  static bool supports(const ConvPoolKernelGradient::Problem& problem);
  static double cost(const ConvPoolKernelGradient::Problem& problem);
  static std::int64_t scratch(const ConvPoolKernelGradient::Problem& problem, std::int64_t images);
  static void run(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args);
};

/// One input channel, 3x3 taps, 2x2 windows: a register holds the pixels that a row of taps can meet in a window (lookup_kernel_gradient.cc).
struct LookupKernelGradient : Implements<ConvPoolKernelGradient> {
  static constexpr std::string_view name = "lookup";
  static constexpr core::Feature needs = core::Feature::vectors_256;
  static bool supports(const ConvPoolKernelGradient::Problem& problem);
  static double cost(const ConvPoolKernelGradient::Problem& problem);
  static void run(const ConvPoolKernelGradient::Problem& problem, const ConvPoolKernelGradient::Args<float>& args);
};

/// Any geometry: writes the gradient of the whole map with its zeros, and runs the cheapest implementation of ConvKernelGradient on it
/// (expanded.cc).
struct ExpandedKernelGradient : Implements<ConvPoolKernelGradient> {
  static constexpr std::string_view name = "expanded";
  struct State {
    Implementation<ConvKernelGradient> dense;
    Implementation<PoolInputGradient> pool;
  };
  static std::optional<State> prepare(const ConvPoolKernelGradient::Problem& problem, const Policy& policy);
  static Numerics numerics(const ConvPoolKernelGradient::Problem&, const State& state) { return state.dense.numerics; }
  static double cost(const ConvPoolKernelGradient::Problem& problem, const State& state);
  static std::string label(const State& state) { return state.dense.full_name(); }
  static std::int64_t scratch(const ConvPoolKernelGradient::Problem& problem, const State& state, std::int64_t images);
  static std::int64_t packed(const ConvPoolKernelGradient::Problem&, const State&) { return 0; }
  static void pack(const ConvPoolKernelGradient::Problem&, const State&, const float*, float*) {}
  static void run(const ConvPoolKernelGradient::Problem& problem, const State& state, const ConvPoolKernelGradient::Args<float>& args);
};

/// 3x3 taps, 2x2 windows: sums over live windows with the window's patch in registers (sparse_input_gradient.cc).
struct SparseInputGradient : Implements<ConvPoolInputGradient> {
  static constexpr std::string_view name = "sparse";
  static bool supports(const ConvPoolInputGradient::Problem& problem);
  static double cost(const ConvPoolInputGradient::Problem& problem);
  static std::int64_t scratch(const ConvPoolInputGradient::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvPoolInputGradient::Problem& problem);
  static void pack(const ConvPoolInputGradient::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvPoolInputGradient::Problem& problem, const ConvPoolInputGradient::Args<float>& args);
};

/// Input gradient in the way of ExpandedKernelGradient, with the cheapest implementation of ConvInputGradient (expanded.cc).
struct ExpandedInputGradient : Implements<ConvPoolInputGradient> {
  static constexpr std::string_view name = "expanded";
  struct State {
    Implementation<ConvInputGradient> dense;
    Implementation<PoolInputGradient> pool;
  };
  static std::optional<State> prepare(const ConvPoolInputGradient::Problem& problem, const Policy& policy);
  static Numerics numerics(const ConvPoolInputGradient::Problem&, const State& state) { return state.dense.numerics; }
  static double cost(const ConvPoolInputGradient::Problem& problem, const State& state);
  static std::string label(const State& state) { return state.dense.full_name(); }
  static std::int64_t scratch(const ConvPoolInputGradient::Problem& problem, const State& state, std::int64_t images);
  static std::int64_t packed(const ConvPoolInputGradient::Problem& problem, const State& state);
  static void pack(const ConvPoolInputGradient::Problem& problem, const State& state, const float* kernel, float* packed);
  static void run(const ConvPoolInputGradient::Problem& problem, const State& state, const ConvPoolInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::conv
