// Noise in vectors (Highway).
#pragma once

#include "kernels/eltwise/noise.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::eltwise {

/// With the bits of the reference.
struct VectorSpatialDropout : Implements<SpatialDropout> {
  /// One number for each channel of an image: 1 if it is kept, else 0.
  static std::int64_t scratch(const SpatialDropout::Problem& problem, std::int64_t /*images*/) { return problem.channels; }
  static void run(const SpatialDropout::Problem& problem, const SpatialDropout::Args<float>& args);
};

/// The reference's random bits, and its function of them in float. Greatest error of 2^24 numbers: 4.1 units of the last place of the pair's radius
/// sqrt(-2 log u).
struct VectorGaussianNoise : Implements<GaussianNoise> {
  static void run(const GaussianNoise::Problem& problem, const GaussianNoise::Args<float>& args);
};

}  // namespace linn::detail::kernels::eltwise
