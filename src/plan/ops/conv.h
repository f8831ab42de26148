#pragma once

#include "kernels/geometry.h"
#include "plan/lowering.h"

namespace linn::plan {

/// Convolution of src [height, width, channels] with kernel [window_height, window_width, channels / groups, out_channels];
/// `bias` may be undefined.
Value conv2d(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& geometry);

}  // namespace linn::plan
