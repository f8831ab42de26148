// Checks that stand between the gradients of a step and what the step writes.
#pragma once

#include "plan/lowering.h"

namespace linn::detail::plan {

/// For each piece of a fixed value whether all of its elements are finite: a list of i32, 0 or 1, that the caller reads. No op that changes a
/// variable or a slot runs before all checks have run (Plan::first_update).
Value finite(Lowering& to, Value value);

/// Whether the op is such a check.
bool is_guard(const Op& op);

}  // namespace linn::detail::plan
