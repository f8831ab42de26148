// Merges in vectors (Highway), with the reference's operations in its order, and so with its bits. Only the gradient of an input that is
// repeated along the last axis differs, since it is a sum over lanes.
#pragma once

#include "kernels/merge/merge.h"
#include "kernels/merge/prelu.h"
#include "kernels/vector_traits.h"

namespace linn::detail::kernels::merge {

struct Runwise : VectorTraits<Merge> {
  static void run(const Merge::Problem& problem, const Merge::Args<float>& args);
};
struct RunwiseGradient : VectorTraits<MergeGradient> {
  /// A sum over lanes depends on the places of elements in a run.
  static bool position_invariant(const MergeGradient::Problem& problem);
  static void run(const MergeGradient::Problem& problem, const MergeGradient::Args<float>& args);
};

struct VectorPRelu : VectorTraits<PReluForward> {
  static void run(const PReluForward::Problem& problem, const PReluForward::Args<float>& args);
};
struct VectorPReluGradient : VectorTraits<PReluGradient> {
  static void run(const PReluGradient::Problem& problem, const PReluGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::merge
