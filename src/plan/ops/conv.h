#pragma once

#include "kernels/geometry.h"
#include "plan/lowering.h"

namespace linn::plan {

/// Convolution of src [height, width, channels] with kernel [window_height, window_width, channels / groups, out_channels];
/// `bias` may be undefined.
Value conv2d(Lowering& to, Value src, Value kernel, Value bias, const kernels::Geometry& geometry);

/// Two for each product of the direct form, of so many images.
double conv_flops(const kernels::Geometry& geometry, std::int64_t images);

}  // namespace linn::plan
