// What a convolution and the pooling behind it cost, as one kernel and as two: the plan joins them where one is cheaper.
//
// The unit is the multiply-add of one lane of a busy vector unit, for one image. Costs follow from the geometry, the instruction set and the
// size of a second-level cache, never from a clock, so that the same model gets the same plan on every run.
#pragma once

#include "kernels/conv/pooled.h"
#include "kernels/implementation.h"

namespace linn::kernels::conv {

/// Whether one kernel takes no longer than the convolution, its map in memory, and the pooling. With `gradients` those of both count too.
/// Kernels for 2x2 windows side by side keep the map in registers and are always cheaper. The kernel for all other windows (`strip`) computes
/// the convolution in its direct form, and rows that two strips see twice: it loses where the convolution alone has Winograd's form.
bool pooling_joins(const ConvPoolForward::Problem& problem, bool gradients, const Policy& policy);

/// Rows of the map that Strip computes for an image; those that two strips see count twice (strip.cc).
std::int64_t strip_rows(const ConvPoolForward::Problem& problem);

}  // namespace linn::kernels::conv
