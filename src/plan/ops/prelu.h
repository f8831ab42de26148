#pragma once

#include "plan/lowering.h"

namespace linn::detail::plan {

/// Leaky relu with learned slopes: alpha has the image's rank, and size 1 along the axes that share a slope.
Value prelu(Lowering& to, Value src, Value alpha);

}  // namespace linn::detail::plan
