// Maxima of regions in vectors (Highway), channels in lanes: the reference's comparisons in its order, so the same bits.
#pragma once

#include "kernels/implementation.h"
#include "kernels/region_pool/region_pool.h"

namespace linn::detail::kernels::region_pool {

struct Lanes : Implements<RegionMaxForward> {
  static void run(const RegionMaxForward::Problem& problem, const RegionMaxForward::Args<float>& args);
};

}  // namespace linn::detail::kernels::region_pool
