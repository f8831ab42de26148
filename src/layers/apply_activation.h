#pragma once

#include <string>

#include "layers/activations.h"
#include "plan/lowering.h"

namespace linn::detail::layers {

/// Adds the ops of an activation; linear adds nothing.
plan::Value apply_activation(plan::Lowering& to, plan::Value src, const ActivationFunction& activation);
/// The shape that it leaves. Throws ShapeError where it does not take the shape.
Shape activated_shape(const Shape& shape, const ActivationFunction& activation, const std::string& where);

}  // namespace linn::detail::layers
