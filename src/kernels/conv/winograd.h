// Winograd's F(2x2, 3x3) and F(4x4, 3x3): implementations of conv/conv.h. Those of convolution with pooling are in fused.h.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "core/cpu.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/winograd_layout.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::conv {

/// Arguments of a convolution or an input gradient: from the map `src` to the map `dst`.
struct MapArgs {
  std::int64_t images;
  const float* src;
  const float* kernel;  // [3, 3, channels, out channels]
  bool turned;          // whether the taps are used from the last to the first
  const float* packed;
  const float* bias = nullptr;
  bool relu = false;                                        // results below 0 become 0
  float largest = std::numeric_limits<float>::infinity();  // those above it become that
  float* dst;
  float* scratch;
  Channels channels = {};
};

/// F(2x2, 3x3) or F(4x4, 3x3): tiles of kTile x kTile outputs (winograd_map.cc).
template <int kTile>
struct WinogradForwardOf : Implements<ConvForward> {
  static constexpr std::string_view name = kTile == 2 ? "winograd" : "winograd4";
  struct State {
    TileCut cut;           // of the whole map
    std::int64_t pad_top;  // of the whole map; a part that begins at a later row has less
  };
  static constexpr std::int64_t row_step = kTile;
  static std::optional<State> prepare(const ConvForward::Problem& problem, const Policy& policy);
  /// With tiles of 4x4 an output's rounding errors depend on the whole patch.
  static Numerics numerics(const ConvForward::Problem&, const State&) {
    return {.position_invariant = false, .period = kTile == 2 ? 2 : 0, .local = kTile == 2, .direct_form = false};
  }
  static double cost(const ConvForward::Problem& problem, const State& state);
  static std::int64_t scratch(const ConvForward::Problem& problem, const State& state, std::int64_t images);
  static std::int64_t packed(const ConvForward::Problem& problem, const State& state);
  static void pack(const ConvForward::Problem& problem, const State& state, const float* kernel, float* packed);
  static std::int64_t channel_step(const ConvForward::Problem& problem, const State& state);
  static void run(const ConvForward::Problem& problem, const State& state, const ConvForward::Args<float>& args);
};
using WinogradForward = WinogradForwardOf<2>;
using Winograd4Forward = WinogradForwardOf<4>;

/// Tiles of kTile x kTile pixels of the input's gradient (winograd_map.cc).
template <int kTile>
struct WinogradInputGradientOf : Implements<ConvInputGradient> {
  static constexpr std::string_view name = kTile == 2 ? "winograd" : "winograd4";
  using Forward = WinogradForwardOf<kTile>;  // on backwards(problem)
  using State = typename Forward::State;
  static Numerics numerics(const ConvInputGradient::Problem&, const State&) {
    return {.position_invariant = false, .local = kTile == 2, .direct_form = false};
  }
  static constexpr std::int64_t row_step = kTile;
  static std::optional<State> prepare(const ConvInputGradient::Problem& problem, const Policy& policy);
  static double cost(const ConvInputGradient::Problem& problem, const State& state);
  static std::int64_t scratch(const ConvInputGradient::Problem& problem, const State& state, std::int64_t images);
  static std::int64_t packed(const ConvInputGradient::Problem& problem, const State& state);
  static void pack(const ConvInputGradient::Problem& problem, const State& state, const float* transposed_kernel, float* packed);
  static void run(const ConvInputGradient::Problem& problem, const State& state, const ConvInputGradient::Args<float>& args);
};
using WinogradInputGradient = WinogradInputGradientOf<2>;
using Winograd4InputGradient = WinogradInputGradientOf<4>;

/// F(3x3, 2x2) or F(3x3, 4x4): the transposed transforms (winograd_kernel_gradient.cc).
template <int kTile>
struct WinogradKernelGradientOf : Implements<ConvKernelGradient> {
  static constexpr std::string_view name = kTile == 2 ? "winograd" : "winograd4";
  static constexpr Numerics numerics = {.position_invariant = false, .direct_form = false};
  static bool supports(const Geometry& geometry);
  static double cost(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};
using WinogradKernelGradient = WinogradKernelGradientOf<2>;
using Winograd4KernelGradient = WinogradKernelGradientOf<4>;

/// WinogradForward with bfloat16 products (winograd_bf16.cc).
struct Bf16WinogradForward : Implements<ConvForward> {
  static constexpr std::string_view name = "winograd_bf16";
  static constexpr core::Feature needs = core::Feature::bfloat16_products;
  static constexpr Numerics numerics = {.position_invariant = false, .period = 2, .direct_form = false, .operands = Operands::bfloat16};
  static constexpr std::int64_t row_step = 2;
  static bool supports(const ConvForward::Problem& problem);
  static double cost(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvForward::Problem& problem);
  static void pack(const ConvForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// WinogradInputGradient with bfloat16 products (winograd_bf16.cc).
struct Bf16WinogradInputGradient : Implements<ConvInputGradient> {
  static constexpr std::string_view name = "winograd_bf16";
  static constexpr core::Feature needs = core::Feature::bfloat16_products;
  static constexpr Numerics numerics = {.position_invariant = false, .direct_form = false, .operands = Operands::bfloat16};
  static constexpr std::int64_t row_step = 2;
  static bool supports(const Problem& problem);
  static double cost(const Problem& problem);
  static std::int64_t scratch(const Problem& problem, std::int64_t images);
  static std::int64_t packed(const Problem& problem);
  static void pack(const Problem& problem, const float* transposed_kernel, float* packed);
  static void run(const Problem& problem, const ConvInputGradient::Args<float>& args);
};

/// WinogradKernelGradient with bfloat16 products (winograd_kernel_gradient_bf16.cc).
struct Bf16WinogradKernelGradient : Implements<ConvKernelGradient> {
  static constexpr std::string_view name = "winograd_bf16";
  static constexpr core::Feature needs = core::Feature::bfloat16_products;
  static constexpr Numerics numerics = {.position_invariant = false, .direct_form = false, .operands = Operands::bfloat16};
  static bool supports(const Geometry& geometry);
  static double cost(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::conv
