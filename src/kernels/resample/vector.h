// Resampling in vectors (Highway), channels in lanes: the reference's operations in its order, so the same bits.
#pragma once

#include "kernels/implementation.h"
#include "kernels/resample/resample.h"

namespace linn::detail::kernels::resample {

struct Cellwise : Implements<ResampleForward> {
  static void run(const ResampleForward::Problem& problem, const ResampleForward::Args<float>& args);
};
struct CellwiseGradient : Implements<ResampleInputGradient> {
  static void run(const ResampleInputGradient::Problem& problem, const ResampleInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::resample
