// One step of an optimizer on one variable. Variables and slots are bound values and are changed in place.
#pragma once

#include <vector>

#include "kernels/eltwise/update.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

struct UpdateValues {
  Value gradient;
  Value variable;
  std::vector<Value> slots = {};
  /// Weight decay: before the update, w -= decay * learning rate * w.
  double decay = 0;
};

/// `slots`: momentum, velocity and, with amsgrad, velocity_hat.
void adam_update(Lowering& to, const kernels::AdamUpdate::Problem& problem, const UpdateValues& values);
/// `slots`: momentum, unless it is 0.
void sgd_update(Lowering& to, const kernels::SgdUpdate::Problem& problem, const UpdateValues& values);
/// `slots`: velocity, then momentum unless it is 0, then average_gradient if centered.
void rmsprop_update(Lowering& to, const kernels::RmspropUpdate::Problem& problem, const UpdateValues& values);
/// `slots`: the slots of the function.
void element_update(Lowering& to, const kernels::StepFunction& function, const UpdateValues& values);

}  // namespace linn::detail::plan
