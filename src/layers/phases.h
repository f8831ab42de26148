// Phases of maps, for layers that subsample by them.
#pragma once

#include <string>

#include "kernels/polyphase/polyphase.h"
#include "linn/shape.h"
#include "linn/types.h"

namespace linn::detail::layers {

/// Throws ShapeError where the strides do not divide the map.
kernels::Phases phases_of(const Size2& strides, const Shape& input, const std::string& where);
/// Of one phase.
Shape shape_of(const kernels::Phases& phases);

}  // namespace linn::detail::layers
