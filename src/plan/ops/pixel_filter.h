#pragma once

#include "kernels/pixel_filter/pixel_filter.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// Each output pixel filtered with weights of its own (kernels/pixel_filter/pixel_filter.h). src [height, width, channels] includes its
/// padding; weights [out_height, out_width, groups, taps], in any shape of these elements.
Value pixel_filter2d(Lowering& to, Value src, Value weights, const kernels::Geometry& geometry);

}  // namespace linn::detail::plan
