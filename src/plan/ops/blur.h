#pragma once

#include "kernels/blur/blur.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// Binomial blur of src [height, width, channels], which includes its padding.
Value blur2d(Lowering& to, Value src, const kernels::Geometry& geometry);

}  // namespace linn::detail::plan
