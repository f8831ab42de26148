// Merges in vectors (Highway). Every operation rounds as in the reference and in its order: same bits, but where an input is repeated
// along the last axis and its gradient is a sum over lanes.
#pragma once

#include "kernels/merge/merge.h"
#include "kernels/merge/prelu.h"
#include "kernels/vector_traits.h"

namespace linn::kernels::merge {

struct Runwise : VectorTraits<Merge> {
  static void run(const Merge::Problem& problem, const Merge::Args<float>& args);
};
struct RunwiseGradient : VectorTraits<MergeGradient> {
  /// A sum over lanes depends on where in a run an element lies.
  static bool position_invariant(const MergeGradient::Problem& problem);
  static void run(const MergeGradient::Problem& problem, const MergeGradient::Args<float>& args);
};

struct VectorPRelu : VectorTraits<PReluForward> {
  static void run(const PReluForward::Problem& problem, const PReluForward::Args<float>& args);
};
struct VectorPReluGradient : VectorTraits<PReluGradient> {
  static void run(const PReluGradient::Problem& problem, const PReluGradient::Args<float>& args);
};

}  // namespace linn::kernels::merge
