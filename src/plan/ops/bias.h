#pragma once

#include "plan/lowering.h"

namespace linn::plan {

/// src [..., channels] plus bias [channels], for ops whose kernels add none. A relu behind it becomes part of it.
Value add_bias(Lowering& to, Value src, Value bias);

}  // namespace linn::plan
