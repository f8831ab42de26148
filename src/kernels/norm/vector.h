// Batch normalization in vectors (Highway), channels in lanes.
#pragma once

#include "kernels/norm/norm.h"
#include "kernels/vector_traits.h"

namespace linn::detail::kernels::norm {

struct VectorMoments : VectorTraits<NormMoments> {
  static void run(const NormMoments::Problem& problem, const NormMoments::Args<float>& args);
};
// The next three accept linear and relu.
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

}  // namespace linn::detail::kernels::norm
