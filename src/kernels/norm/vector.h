// Batch normalization in vectors (Highway), channels in lanes.
#pragma once

#include "kernels/implementation.h"
#include "kernels/norm/norm.h"

namespace linn::detail::kernels::norm {

struct VectorMoments : Implements<NormMoments> {
  static void run(const NormMoments::Problem& problem, const NormMoments::Args<float>& args);
};
// The next three accept linear and relu.
struct VectorForward : Implements<NormForward> {
  static bool supports(const NormForward::Problem& problem) { return is_linear_or_relu(problem.activation); }
  static void run(const NormForward::Problem& problem, const NormForward::Args<float>& args);
};
struct VectorGradientSums : Implements<NormGradientSums> {
  static bool supports(const NormGradientSums::Problem& problem) { return is_linear_or_relu(problem.activation); }
  static void run(const NormGradientSums::Problem& problem, const NormGradientSums::Args<float>& args);
};
struct VectorInputGradient : Implements<NormInputGradient> {
  static bool supports(const NormInputGradient::Problem& problem) { return is_linear_or_relu(problem.activation); }
  static void run(const NormInputGradient::Problem& problem, const NormInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::norm
