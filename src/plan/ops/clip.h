// Ops on whole gradients and variables: clipping and regularization.
#pragma once

#include <vector>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// The sum of squares of all elements of these fixed values: one f64, with the same bits on any number of threads.
Value squared_norm(Lowering& to, const std::vector<Value>& values);
/// The gradient times norm / sqrt(squared_norm); unchanged if sqrt(squared_norm) <= norm.
Value clip_norm(Lowering& to, Value gradient, Value squared_norm, double norm);
/// The gradient with each element clamped to [-limit, limit].
Value clip_value(Lowering& to, Value gradient, double limit);

/// l1 * sum |w| + l2 * sum w^2 as a list of f64, one term for each piece of the variable; the caller adds them. In training plans its
/// gradient is added to the variable's, once for each step.
Value penalty(Lowering& to, Value variable, double l1, double l2);

}  // namespace linn::detail::plan
