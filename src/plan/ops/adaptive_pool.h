#pragma once

#include "kernels/pool/adaptive.h"
#include "plan/lowering.h"

namespace linn::plan {

/// src [height, width, channels] pooled to a map of the given size. Training keeps the argmax of a maximum, if its gradient is asked for.
Value adaptive_pool2d(Lowering& to, Value src, std::int64_t height, std::int64_t width, kernels::PoolKind kind);

}  // namespace linn::plan
