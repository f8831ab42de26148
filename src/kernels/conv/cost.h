// Cost of a convolution with the pooling behind it, as one kernel and as two. The plan fuses them if one kernel is cheaper.
//
// The unit is one multiply-add of one lane, for one image. Costs depend on the geometry, the instruction set and the size of an L2 cache,
// never on a clock, so that the same model gets the same plan on every run.
#pragma once

#include "kernels/conv/global.h"
#include "kernels/conv/pooled.h"
#include "kernels/implementation.h"

namespace linn::detail::kernels::conv {

/// Whether one kernel takes at most as long as the convolution, the traffic of its map, and the pooling. `gradients`: the gradient kernels
/// count too, with and without fusion.
/// Kernels for 2x2 windows keep the map in registers and are always cheaper. The kernel for all other windows (`strip`) uses the direct
/// form and computes rows that belong to two strips twice; it is slower where the convolution alone has Winograd's form.
bool pooling_joins(const ConvPoolForward::Problem& problem, bool gradients, const Policy& policy);

/// The same for a global pooling. Its kernels compute every row once and never store the map, but have no Winograd form of 4x4 tiles.
bool global_pooling_joins(const ConvGlobalPoolForward::Problem& problem, bool gradients, const Policy& policy);

/// Rows of the map that Strip computes for one image. Rows that belong to two strips count twice (strip.cc).
std::int64_t strip_rows(const ConvPoolForward::Problem& problem);

}  // namespace linn::detail::kernels::conv
