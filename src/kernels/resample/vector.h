// Resampling in vectors (Highway), channels in lanes: the reference's operations in its order, so the same bits.
#pragma once

#include "kernels/resample/resample.h"
#include "kernels/vector_traits.h"

namespace linn::detail::kernels::resample {

struct Cellwise : VectorTraits<ResampleForward> {
  static void run(const ResampleForward::Problem& problem, const ResampleForward::Args<float>& args);
};
struct CellwiseGradient : VectorTraits<ResampleInputGradient> {
  static void run(const ResampleInputGradient::Problem& problem, const ResampleInputGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::resample
