// Implementations of conv/conv.h in the direct form.
#pragma once

#include "core/checked.h"
#include "core/cpu.h"
#include "kernels/conv/conv.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::conv {

/// Each output sums over taps and channels in the kernel's order, at every place of the map.
struct Forward : Implements<ConvForward> {
  static constexpr std::string_view name = "direct";
  static bool supports(const ConvForward::Problem& problem);
  static double cost(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvForward::Problem& problem);
  static void pack(const ConvForward::Problem& problem, const float* kernel, float* packed);
  static std::int64_t channel_step(const ConvForward::Problem& problem);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
  /// `run` with args.kernel in place of the packed weights, and without scratch.
  static void run_unpacked(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// The direct form for 1 to 4 input channels, without dilation and groups, where windows are not too large
/// (few_channels.cc). Sums in Forward's order; padding counts as
/// pixels of zero.
struct FewChannelsForward : Implements<ConvForward> {
  static constexpr std::string_view name = "few_channels";
  static constexpr std::int64_t most_window_rows = 16;
  static bool supports(const ConvForward::Problem& problem);
  static double cost(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// Source pixels from the first to the last in the windows of a row of outputs.
inline std::int64_t pixels_in_windows(const Geometry& g) { return (g.out_width - 1) * g.stride_width + g.window_width; }

/// Whether FewChannelsForward copies the source's rows: unless all windows lie inside a dense row.
inline bool copies_rows(const Geometry& g) { return g.src_pixel != g.channels || g.pad_left != 0 || pixels_in_windows(g) > g.width; }

/// Elements of FewChannelsForward's copy of the kernel, in whole vectors.
inline std::int64_t copied_weights(const Geometry& g) {
  return g.window_height * g.window_width * g.channels * core::round_up(g.out_channels, core::lanes());
}

/// Elements of a copied row in whole cache lines, and one line more, as copies are made in whole vectors.
inline std::int64_t copied_row(const Geometry& g) { return core::round_up(pixels_in_windows(g) * g.channels, 16) + 16; }

struct InputGradient : Implements<ConvInputGradient> {
  static constexpr std::string_view name = "direct";
  static bool supports(const Problem& problem);
  static double cost(const Problem& problem);
  static std::int64_t scratch(const Problem& problem, std::int64_t images);
  static std::int64_t packed(const Problem& problem);
  static void pack(const Problem& problem, const float* transposed_kernel, float* packed);
  static void run(const Problem& problem, const ConvInputGradient::Args<float>& args);
};

struct KernelGradient : Implements<ConvKernelGradient> {
  static constexpr std::string_view name = "direct";
  /// The products with the zeros of the padding count too.
  static double cost(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

/// Map and kernel rounded to bfloat16, with vdpbf16ps (direct_bf16.cc; for other CPUs see rounded.h). Sums in Forward's order, two terms of
/// a tap at a time.
struct Bf16Forward : Implements<ConvForward> {
  static constexpr std::string_view name = "bf16";
  static constexpr core::Feature needs = core::Feature::bfloat16_products;
  static constexpr Numerics numerics = {.operands = Operands::bfloat16};
  /// Only where it takes at least a tenth less time than Forward, as rounding costs accuracy.
  static bool supports(const ConvForward::Problem& problem);
  static double cost(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvForward::Problem& problem);
  static void pack(const ConvForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// Output's gradient and kernel rounded to bfloat16, with vdpbf16ps (direct_bf16.cc).
struct Bf16InputGradient : Implements<ConvInputGradient> {
  static constexpr std::string_view name = "bf16";
  static constexpr core::Feature needs = core::Feature::bfloat16_products;
  static constexpr Numerics numerics = {.operands = Operands::bfloat16};
  /// As Bf16Forward's.
  static bool supports(const Problem& problem);
  static double cost(const Problem& problem);
  static std::int64_t scratch(const Problem& problem, std::int64_t images);
  static std::int64_t packed(const Problem& problem);
  static void pack(const Problem& problem, const float* transposed_kernel, float* packed);
  static void run(const Problem& problem, const ConvInputGradient::Args<float>& args);
};

/// Source and output's gradient rounded to bfloat16, with vdpbf16ps (kernel_gradient_bf16.cc).
struct Bf16KernelGradient : Implements<ConvKernelGradient> {
  static constexpr std::string_view name = "bf16";
  static constexpr core::Feature needs = core::Feature::bfloat16_products;
  static constexpr Numerics numerics = {.operands = Operands::bfloat16};
  /// As Bf16Forward's.
  static bool supports(const Geometry& geometry);
  static double cost(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::conv
