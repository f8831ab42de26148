// Ops that only move a block of a map: concatenations and crops. Where the kernels beside them take pitches, plan/views.h leaves them nothing to do.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/pad/pad.h"
#include "plan/lowering.h"

namespace linn::plan {

/// Batch values one behind the other along an axis of the image. All other sizes are the same.
Value concatenate(Lowering& to, std::span<const Value> inputs, std::size_t axis);

/// src [height, width, channels] without rows and columns at its borders; src itself where there are none to leave out.
Value crop2d(Lowering& to, Value src, const kernels::Pads& cropping);

}  // namespace linn::plan
