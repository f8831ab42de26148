// What is done with whole gradients and variables: clipping and regularization.
#pragma once

#include <vector>

#include "plan/lowering.h"

namespace linn::plan {

/// The sum of the squares of all elements of all of these fixed values: one f64, the same bits on any number of threads.
Value squared_norm(Lowering& to, const std::vector<Value>& values);
/// The gradient times norm / sqrt(squared_norm), unless that norm is `norm` or less.
Value clip_norm(Lowering& to, Value gradient, Value squared_norm, double norm);
/// Each element clamped to [-limit, limit].
Value clip_value(Lowering& to, Value gradient, double limit);

/// l1 * sum |w| + l2 * sum w^2 as a list of f64, a term for each piece of the variable: the caller adds them up. In training plans its
/// gradient flows into the variable, once a step.
Value penalty(Lowering& to, Value variable, double l1, double l2);

}  // namespace linn::plan
