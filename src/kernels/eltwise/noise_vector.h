// Noise in vectors (Highway): the reference's bits.
#pragma once

#include "kernels/eltwise/noise.h"
#include "kernels/vector_traits.h"

namespace linn::kernels::eltwise {

struct VectorSpatialDropout : VectorTraits<SpatialDropout> {
  /// Which channels of an image are kept.
  static std::int64_t scratch(const SpatialDropout::Problem& problem, std::int64_t /*images*/) { return problem.channels; }
  static void run(const SpatialDropout::Problem& problem, const SpatialDropout::Args<float>& args);
};

}  // namespace linn::kernels::eltwise
