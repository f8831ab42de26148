#pragma once

#include "kernels/pool/pool.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// Pooling of src [height, width, channels]. In training, max pooling stores its argmax if its gradient is wanted.
Value pool2d(Lowering& to, Value src, kernels::PoolKind kind, const kernels::Geometry& geometry);
/// Global pooling: [height, width, channels] -> [channels].
Value global_pool2d(Lowering& to, Value src, kernels::PoolKind kind);

/// The problem of a window pooling, else null; for fusion.
const kernels::PoolForward::Problem* pool_problem(const Op& op);
const kernels::GlobalPoolForward::Problem* global_pool_problem(const Op& op);

}  // namespace linn::detail::plan
