// Merges in vectors (Highway), with the reference's operations in its order, and so with its bits. Only the gradient of an input that is
// repeated along the last axis differs, since it is a sum over lanes.
#pragma once

#include "kernels/implementation.h"
#include "kernels/merge/merge.h"
#include "kernels/merge/prelu.h"

namespace linn::detail::kernels::merge {

struct Runwise : Implements<Merge> {
  static void run(const Merge::Problem& problem, const Merge::Args<float>& args);
};
struct RunwiseGradient : Implements<MergeGradient> {
  /// A sum over lanes depends on the places of elements in a run.
  static Numerics numerics(const MergeGradient::Problem& problem);
  static void run(const MergeGradient::Problem& problem, const MergeGradient::Args<float>& args);
};

struct VectorPRelu : Implements<PReluForward> {
  static void run(const PReluForward::Problem& problem, const PReluForward::Args<float>& args);
};
struct VectorPReluGradient : Implements<PReluGradient> {
  static void run(const PReluGradient::Problem& problem, const PReluGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::merge
