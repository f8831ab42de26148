// Adaptive pooling in vectors (Highway), channels in lanes: the reference's operations in its order, so the same bits.
#pragma once

#include "kernels/implementation.h"
#include "kernels/pool/adaptive.h"

namespace linn::detail::kernels::pool {

struct Adaptive : Implements<AdaptivePoolForward> {
  static void run(const AdaptivePoolForward::Problem& problem, const AdaptivePoolForward::Args<float>& args);
};
/// Average only. With max each channel's gradient goes to a pixel of its own, so that channels cannot share a vector.
struct AdaptiveGradient : Implements<AdaptivePoolInputGradient> {
  static bool supports(const AdaptivePoolInputGradient::Problem& problem) { return problem.kind == PoolKind::average; }
  static void run(const AdaptivePoolInputGradient::Problem& problem, const AdaptivePoolInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::pool
