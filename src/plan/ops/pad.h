#pragma once

#include "kernels/pad/pad.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// src [height, width, channels] with padding around it. Returns src if the padding is 0.
Value pad2d(Lowering& to, Value src, const kernels::Pads& pads, kernels::PadMode mode);

/// The problem of a padding; null if `op` is none. For fusion.
const kernels::PadForward::Problem* pad_problem(const Op& op);

}  // namespace linn::detail::plan
