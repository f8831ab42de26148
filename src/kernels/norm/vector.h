// Batch normalization in vectors (Highway), channels in lanes.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/cpu.h"
#include "kernels/norm/norm.h"

namespace linn::kernels::norm {

/// What all of them declare alike.
template <class Kernel>
struct VectorTraits {
  static constexpr std::string_view name = "vector";
  static constexpr core::Isa needs = core::Isa::sse4;
  static constexpr bool position_invariant = true;
  static bool accepts(const typename Kernel::Problem&) { return true; }
  static std::int64_t scratch(const typename Kernel::Problem&, std::int64_t) { return 0; }
};

struct VectorMoments : VectorTraits<NormMoments> {
  static void run(const NormMoments::Problem& problem, const NormMoments::Args<float>& args);
};
/// Linear and relu, all three.
struct VectorForward : VectorTraits<NormForward> {
  static bool accepts(const NormForward::Problem& problem) { return is_linear_or_relu(problem.activation); }
  static void run(const NormForward::Problem& problem, const NormForward::Args<float>& args);
};
struct VectorGradientSums : VectorTraits<NormGradientSums> {
  static bool accepts(const NormGradientSums::Problem& problem) { return is_linear_or_relu(problem.activation); }
  static void run(const NormGradientSums::Problem& problem, const NormGradientSums::Args<float>& args);
};
struct VectorInputGradient : VectorTraits<NormInputGradient> {
  static bool accepts(const NormInputGradient::Problem& problem) { return is_linear_or_relu(problem.activation); }
  static void run(const NormInputGradient::Problem& problem, const NormInputGradient::Args<float>& args);
};

}  // namespace linn::kernels::norm
