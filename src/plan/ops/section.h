// Ops that only copy blocks of maps: concatenations and crops. If the neighbouring kernels take pitches, plan/views.h makes views of the
// blocks, and nothing is copied.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/pad/pad.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// Concatenates batch values along an axis of the image. All other sizes must be equal.
Value concatenate(Lowering& to, std::span<const Value> inputs, std::size_t axis);

/// src [height, width, channels] without some rows and columns at its borders. Returns src if there are none.
Value crop2d(Lowering& to, Value src, const kernels::Pads& cropping);

}  // namespace linn::detail::plan
