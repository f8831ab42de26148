// The penalty of a matrix whose rows or columns are not orthogonal.
#pragma once

#include "plan/lowering.h"

namespace linn::detail::plan {

/// factor * the mean of |cosine| over all pairs of rows (or columns) of a variable of two axes: one f64. Lengths below 1e-7 count as 1e-7. In training
/// plans its gradient is added to the variable's, once for each step.
Value orthogonal_penalty(Lowering& to, Value variable, double factor, bool columns);

}  // namespace linn::detail::plan
