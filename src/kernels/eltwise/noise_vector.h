// Noise in vectors (Highway), with the bits of the reference.
#pragma once

#include "kernels/eltwise/noise.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::eltwise {

struct VectorSpatialDropout : Implements<SpatialDropout> {
  /// One number for each channel of an image: 1 if it is kept, else 0.
  static std::int64_t scratch(const SpatialDropout::Problem& problem, std::int64_t /*images*/) { return problem.channels; }
  static void run(const SpatialDropout::Problem& problem, const SpatialDropout::Args<float>& args);
};

}  // namespace linn::detail::kernels::eltwise
