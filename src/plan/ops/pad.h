#pragma once

#include "kernels/pad/pad.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// src [height, width, channels] with padding around it. Returns src if the padding is 0.
Value pad2d(Lowering& to, Value src, const kernels::Pads& pads, kernels::PadMode mode);

}  // namespace linn::detail::plan
