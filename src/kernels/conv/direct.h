// Implementations of conv/conv.h in the direct form.
#pragma once

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
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

struct InputGradient : Implements<ConvInputGradient> {
  static constexpr std::string_view name = "direct";
  static double cost(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static std::int64_t packed(const Geometry& geometry);
  static void pack(const Geometry& geometry, const float* transposed_kernel, float* packed);
  static void run(const Geometry& geometry, const ConvInputGradient::Args<float>& args);
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
  static bool supports(const Geometry& geometry);
  static double cost(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static std::int64_t packed(const Geometry& geometry);
  static void pack(const Geometry& geometry, const float* transposed_kernel, float* packed);
  static void run(const Geometry& geometry, const ConvInputGradient::Args<float>& args);
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
