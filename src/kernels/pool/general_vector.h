// General pooling with channels in lanes (Highway).
#pragma once

#include "kernels/implementation.h"
#include "kernels/pool/general.h"

namespace linn::detail::kernels::pool {

/// Sums of a whole map run in the order of its cells, so their bits depend on the places of the values. `sampled` has the bits of the
/// reference.
struct GeneralVector : Implements<GeneralPoolForward> {
  static Numerics numerics(const GeneralPoolForward::Problem& problem) { return {.position_invariant = !problem.whole_map}; }
  static std::int64_t scratch(const GeneralPoolForward::Problem& problem, std::int64_t images);
  static void run(const GeneralPoolForward::Problem& problem, const GeneralPoolForward::Args<float>& args);
};

struct GeneralVectorGradient : Implements<GeneralPoolGradient> {
  static std::int64_t scratch(const GeneralPoolGradient::Problem& problem, std::int64_t images);
  static void run(const GeneralPoolGradient::Problem& problem, const GeneralPoolGradient::Args<float>& args);
};

}  // namespace linn::detail::kernels::pool
