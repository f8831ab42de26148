// Depthwise convolution, in which each output channel reads one source channel, and convolution in groups of few channels. Implementations of conv/conv.h, for the registry.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/cpu.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/direct.h"

namespace linn::kernels::conv {

/// Output channels of a source channel, Keras's depth_multiplier.
inline std::int64_t multiplier_of(const Geometry& g) { return g.out_channels / g.channels; }

/// A group a channel, and fewer outputs of it than the direct form needs to fill a vector.
inline bool is_depthwise(const Geometry& g) {
  constexpr std::int64_t most_outputs = 16;
  return g.groups > 1 && g.groups == g.channels && multiplier_of(g) < most_outputs;
}

/// Channels in lanes. With a multiplier above 1 the source is first copied with each channel repeated.
/// The bits are those of conv::Forward: the bias, then a multiply-add for each tap in the map, in the order of the taps.
struct DepthwiseForward {
  static constexpr std::string_view name = "depthwise";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// As DepthwiseForward; with a multiplier above 1 each output channel is summed alone, and a channel's sums are added last.
struct DepthwiseInputGradient {
  static constexpr std::string_view name = "depthwise";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const Geometry& geometry) { return is_depthwise(geometry); }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvInputGradient::Args<float>& args);
};

/// Up to nine taps in registers. Every sum runs over images, output rows and columns in this order.
struct DepthwiseKernelGradient {
  static constexpr std::string_view name = "depthwise";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const Geometry& geometry) { return is_depthwise(geometry); }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

/// Groups of 2, 4 or 8 channels in and as many out, at most half the lanes of the chosen instruction set: from a whole vector on the direct
/// form is faster.
bool is_grouped(const Geometry& g);

/// Every output's sum runs over the rows of taps, the group's channels and the columns of taps, in this order.
struct GroupedForward {
  static constexpr std::string_view name = "grouped";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem&, std::int64_t) { return 0; }
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// As GroupedForward. The packed kernel is [taps][out_channels / groups][channels].
struct GroupedInputGradient {
  static constexpr std::string_view name = "grouped";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const Geometry& geometry) { return is_grouped(geometry); }
  static std::int64_t scratch(const Geometry&, std::int64_t) { return 0; }
  static std::int64_t packed(const Geometry& geometry);
  static void pack(const Geometry& geometry, const float* transposed_kernel, float* packed);
  static void run(const Geometry& geometry, const ConvInputGradient::Args<float>& args);
};

/// As DepthwiseKernelGradient.
struct GroupedKernelGradient {
  static constexpr std::string_view name = "grouped";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const Geometry& geometry) { return is_grouped(geometry); }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

/// What runs in float32 without a pooling behind it and without Winograd's transforms, so that the bits are the same. For kernels that make
/// a map in strips.
struct DirectForward {
  static bool accepts(const ConvForward::Problem& problem) { return Forward::accepts(problem); }
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images) {
    if (DepthwiseForward::accepts(problem)) return DepthwiseForward::scratch(problem, images);
    return GroupedForward::accepts(problem) ? GroupedForward::scratch(problem, images) : Forward::scratch(problem, images);
  }
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args) {
    if (DepthwiseForward::accepts(problem)) return DepthwiseForward::run(problem, args);
    if (GroupedForward::accepts(problem)) return GroupedForward::run(problem, args);
    Forward::run(problem, args);
  }
};

}  // namespace linn::kernels::conv
