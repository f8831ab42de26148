// Direct convolution: implementations of conv/conv.h, for the registry.
#pragma once

#include "core/cpu.h"
#include "kernels/conv/conv.h"

namespace linn::kernels::conv {

/// Every output's sum runs over taps and channels in the kernel's order, wherever it lies.
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

}  // namespace linn::kernels::conv
