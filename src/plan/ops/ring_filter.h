#pragma once

#include "kernels/ring_filter/ring_filter.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// src [height, width, channels] filtered round the ring along both axes, of whose lengths they are. Returns src if nothing changes it.
Value ring_filter2d(Lowering& to, Value src, const kernels::RingAxis& rows, const kernels::RingAxis& columns);

}  // namespace linn::detail::plan
