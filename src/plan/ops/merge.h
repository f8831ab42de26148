// Ops of several inputs.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/merge/merge.h"
#include "plan/lowering.h"

namespace linn::plan {

/// Batch values merged element by element; their shapes must meet (kernels::broadcast_shape).
Value merge(Lowering& to, kernels::MergeKind kind, std::span<const Value> inputs);

/// Batch values one behind the other along an axis of the image. All other sizes are the same.
Value concatenate(Lowering& to, std::span<const Value> inputs, std::size_t axis);

}  // namespace linn::plan
