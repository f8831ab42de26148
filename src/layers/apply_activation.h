#pragma once

#include "linn/activations.h"
#include "plan/lowering.h"

namespace linn::layers {

/// Adds the op of an activation, softmax included; linear adds nothing.
plan::Value apply_activation(plan::Lowering& to, plan::Value src, const ActivationName& activation);

}  // namespace linn::layers
