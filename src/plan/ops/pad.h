#pragma once

#include "kernels/pad/pad.h"
#include "plan/lowering.h"

namespace linn::plan {

/// Rows and columns around src [height, width, channels]; src itself where there are none.
Value pad2d(Lowering& to, Value src, const kernels::Pads& pads, kernels::PadMode mode);

}  // namespace linn::plan
