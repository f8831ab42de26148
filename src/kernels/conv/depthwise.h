// Implementations of conv/conv.h for depthwise convolution, where each output channel reads one source channel, and for groups of few
// channels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "core/cpu.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/direct.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::conv {

/// Output channels for each source channel: Keras's depth_multiplier.
inline std::int64_t multiplier_of(const Geometry& g) { return g.out_channels / g.channels; }

/// One source channel in each group, and fewer output channels of it than the direct form needs to fill a vector.
inline bool is_depthwise(const Geometry& g) {
  constexpr std::int64_t most_outputs = 16;
  return g.groups > 1 && g.groups == g.channels && multiplier_of(g) < most_outputs;
}

/// Whether the maps of a call are larger than the L2 cache, of CPUs without AVX-512 four times as large (measured on Zen 3): then kernels fetch
/// ahead.
inline bool streams(const Geometry& g, std::int64_t images) {
  const std::int64_t floats = images * (g.height * g.width + g.out_height * g.out_width) * g.out_channels;
  const std::int64_t caches = core::lanes() < 16 ? 4 : 1;
  return floats * static_cast<std::int64_t>(sizeof(float)) > caches * core::cpu().l2_bytes;
}

/// Channels of a vector in groups of `depth` channels: all lanes, or fewer if there are fewer channels or if groups fill no whole vector.
inline std::int64_t channels_of_vector(std::int64_t channels, std::int64_t depth) {
  return std::min(channels, core::lanes() / depth * depth);
}

/// Channels in lanes. With a multiplier above 1 the source is first copied with each channel repeated.
/// The bits are those of conv::Forward: the bias, then a multiply-add for each tap in the map, in the order of the taps.
struct DepthwiseForward : Implements<ConvForward> {
  static constexpr std::string_view name = "depthwise";
  static bool supports(const ConvForward::Problem& problem);
  static double cost(const ConvForward::Problem& problem) { return static_cast<double>(products(problem.geometry)); }
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvForward::Problem& problem);
  static void pack(const ConvForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// Channels in lanes. With a multiplier above 1, the gradient is summed for each output channel; then the sums of a source channel are
/// added.
struct DepthwiseInputGradient : Implements<ConvInputGradient> {
  static constexpr std::string_view name = "depthwise";
  static bool supports(const Problem& problem);
  static double cost(const Problem& problem) { return static_cast<double>(products(problem.geometry)); }
  static std::int64_t scratch(const Problem& problem, std::int64_t images);
  static std::int64_t packed(const Problem& problem);
  static void pack(const Problem& problem, const float* transposed_kernel, float* packed);
  static void run(const Problem& problem, const ConvInputGradient::Args<float>& args);
};

/// Up to nine taps in registers. Each sum runs over images, output rows and output columns, in this order.
struct DepthwiseKernelGradient : Implements<ConvKernelGradient> {
  static constexpr std::string_view name = "depthwise";
  static bool supports(const Geometry& geometry) { return is_depthwise(geometry); }
  static double cost(const Geometry& geometry) { return static_cast<double>(products(geometry)); }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

/// Groups of as many output as input channels: as many as the chosen instruction set has lanes, or at most half, so that several groups share
/// a vector. One group that leaves lanes empty is no faster than in the direct form.
bool is_grouped(const Geometry& g);

/// What the empty lanes of vectors that hold no whole number of groups add to the multiply-adds.
inline double grouped_cost(const Geometry& g) {
  const std::int64_t depth = g.channels / g.groups, filled = core::lanes() / depth * depth;
  return static_cast<double>(products(g)) * static_cast<double>(core::lanes()) / static_cast<double>(filled);
}

/// Each output sums over the rows of taps, the group's channels and the columns of taps, in this order.
struct GroupedForward : Implements<ConvForward> {
  static constexpr std::string_view name = "grouped";
  static bool supports(const ConvForward::Problem& problem);
  static double cost(const ConvForward::Problem& problem) { return grouped_cost(problem.geometry); }
  static std::int64_t packed(const ConvForward::Problem& problem);
  static void pack(const ConvForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// Sums in GroupedForward's order.
struct GroupedInputGradient : Implements<ConvInputGradient> {
  static constexpr std::string_view name = "grouped";
  static bool supports(const Problem& problem) { return is_in_registers(problem.activation) && is_grouped(problem.geometry); }
  static double cost(const Problem& problem) { return grouped_cost(problem.geometry); }
  static std::int64_t packed(const Problem& problem);
  static void pack(const Problem& problem, const float* transposed_kernel, float* packed);
  static void run(const Problem& problem, const ConvInputGradient::Args<float>& args);
};

/// Sums in DepthwiseKernelGradient's order.
struct GroupedKernelGradient : Implements<ConvKernelGradient> {
  static constexpr std::string_view name = "grouped";
  static bool supports(const Geometry& geometry) { return is_grouped(geometry); }
  static double cost(const Geometry& geometry) { return grouped_cost(geometry); }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::conv
