// Ops that merge several inputs element by element.
#pragma once

#include <span>

#include "kernels/merge/merge.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// Merges batch values element by element. Their shapes must broadcast (kernels::broadcast_shape).
Value merge(Lowering& to, kernels::MergeKind kind, std::span<const Value> inputs);

/// Whether `op` is the sum of two values of one shape; for fusion.
bool is_merged_sum_of_two(const Op& op);

}  // namespace linn::detail::plan
