// One step of an optimizer on one variable. Variables and slots are bound values and are changed in place.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
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
  /// Factor of the learning rate; the weight decay does not see it.
  double rate_factor = 1;
};

/// `slots`: momentum, velocity and, with amsgrad, velocity_hat.
void adam_update(Lowering& to, const kernels::AdamUpdate::Problem& problem, const UpdateValues& values);
/// `slots`: momentum, unless it is 0.
void sgd_update(Lowering& to, const kernels::SgdUpdate::Problem& problem, const UpdateValues& values);
/// `slots`: velocity, then momentum unless it is 0, then average_gradient if centered.
void rmsprop_update(Lowering& to, const kernels::RmspropUpdate::Problem& problem, const UpdateValues& values);
/// `slots`: the slots of the function; among them may be values of the plan that it writes, such as a direction.
void element_update(Lowering& to, const kernels::StepFunction& function, const UpdateValues& values);

/// From the learning rate, the number of the update (from 1) and the sums.
using StepFactor = std::function<double(double learning_rate, std::int64_t update, std::span<const double> sums)>;
/// variable -= factor * direction, where the factor may depend on at most 2 sums over whole variables, each one f64 (squared_norm).
void directed_update(Lowering& to, Value direction, Value variable, const std::vector<Value>& sums, StepFactor factor);

}  // namespace linn::detail::plan
