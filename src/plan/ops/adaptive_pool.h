#pragma once

#include "kernels/pool/adaptive.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// Pooling of src [height, width, channels] to a map of the given size. In training, max pooling stores its argmax if its gradient is
/// wanted.
Value adaptive_pool2d(Lowering& to, Value src, std::int64_t height, std::int64_t width, kernels::PoolKind kind);

}  // namespace linn::detail::plan
