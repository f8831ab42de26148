#pragma once

#include "kernels/pool/pool.h"
#include "plan/lowering.h"

namespace linn::plan {

/// Pooling of src [height, width, channels]. Training keeps the argmax of a max pooling, if its gradient is asked for.
Value pool2d(Lowering& to, Value src, kernels::PoolKind kind, const kernels::Geometry& geometry);
/// One value a channel: [height, width, channels] -> [channels].
Value global_pool2d(Lowering& to, Value src, kernels::PoolKind kind);

/// What `op` pools, or null if it is no window pooling; for fusion.
const kernels::PoolForward::Problem* pool_problem(const Op& op);
const kernels::GlobalPoolForward::Problem* global_pool_problem(const Op& op);

}  // namespace linn::plan
