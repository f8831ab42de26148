// One step of an optimizer on one variable. Variables and slots are bound values and are changed in place.
#pragma once

#include "kernels/eltwise/update.h"
#include "plan/lowering.h"

namespace linn::plan {

/// `slots`: momentum, velocity and, with amsgrad, velocity_hat.
void adam_update(Lowering& to, const kernels::AdamUpdate::Problem& problem, Value gradient, Value variable, const std::vector<Value>& slots);
/// `slots`: momentum, unless it is 0.
void sgd_update(Lowering& to, const kernels::SgdUpdate::Problem& problem, Value gradient, Value variable, const std::vector<Value>& slots);
/// `slots`: velocity, then momentum unless it is 0, then average_gradient if centered.
void rmsprop_update(Lowering& to, const kernels::RmspropUpdate::Problem& problem, Value gradient, Value variable, const std::vector<Value>& slots);

}  // namespace linn::plan
