// Implementations of conv/conv.h in the direct form.
#pragma once

#include "core/cpu.h"
#include "kernels/conv/conv.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::conv {

/// Each output sums over taps and channels in the kernel's order, at every place of the map.
struct Forward {
  static constexpr std::string_view name = "direct";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

struct InputGradient {
  static constexpr std::string_view name = "direct";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const Geometry&) { return true; }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvInputGradient::Args<float>& args);
};

struct KernelGradient {
  static constexpr std::string_view name = "direct";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const Geometry&) { return true; }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

/// Map and kernel rounded to bfloat16, with vdpbf16ps (direct_bf16.cc). Sums in Forward's order, two terms of a tap at a time.
struct Bf16Forward {
  static constexpr std::string_view name = "bf16";
  static constexpr core::Isa needs = core::Isa::avx512_bf16;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvForward::Problem& problem);
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvForward::Problem& problem);
  static void pack(const ConvForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// Bf16Forward's rounding for CPUs without vdpbf16ps, with Forward's multiply-adds. Bits may differ from Bf16Forward's: vdpbf16ps adds the
/// two terms of a pair in another order and takes denormals as 0.
struct RoundedForward {
  static constexpr std::string_view name = "rounded_to_bf16";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = true;
  static bool accepts(const ConvForward::Problem& problem) { return Bf16Forward::accepts(problem); }
  static std::int64_t scratch(const ConvForward::Problem& problem, std::int64_t images);
  static std::int64_t packed(const ConvForward::Problem& problem);
  static void pack(const ConvForward::Problem& problem, const float* kernel, float* packed);
  static void run(const ConvForward::Problem& problem, const ConvForward::Args<float>& args);
};

/// Output's gradient and kernel rounded to bfloat16, with vdpbf16ps (direct_bf16.cc).
struct Bf16InputGradient {
  static constexpr std::string_view name = "bf16";
  static constexpr core::Isa needs = core::Isa::avx512_bf16;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = true;
  static bool accepts(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static std::int64_t packed(const Geometry& geometry);
  static void pack(const Geometry& geometry, const float* transposed_kernel, float* packed);
  static void run(const Geometry& geometry, const ConvInputGradient::Args<float>& args);
};

/// Bf16InputGradient's rounding for CPUs without vdpbf16ps; see RoundedForward.
struct RoundedInputGradient {
  static constexpr std::string_view name = "rounded_to_bf16";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = true;
  static bool accepts(const Geometry& geometry) { return Bf16InputGradient::accepts(geometry); }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static std::int64_t packed(const Geometry& geometry);
  static void pack(const Geometry& geometry, const float* transposed_kernel, float* packed);
  static void run(const Geometry& geometry, const ConvInputGradient::Args<float>& args);
};

/// Source and output's gradient rounded to bfloat16, with vdpbf16ps (kernel_gradient_bf16.cc).
struct Bf16KernelGradient {
  static constexpr std::string_view name = "bf16";
  static constexpr core::Isa needs = core::Isa::avx512_bf16;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = true;
  static bool accepts(const Geometry& geometry);
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

/// Bf16KernelGradient's rounding for CPUs without vdpbf16ps; see RoundedForward.
struct RoundedKernelGradient {
  static constexpr std::string_view name = "rounded_to_bf16";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = true;
  static bool accepts(const Geometry& geometry) { return Bf16KernelGradient::accepts(geometry); }
  static std::int64_t scratch(const Geometry& geometry, std::int64_t images);
  static void run(const Geometry& geometry, const ConvKernelGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::conv
