#pragma once

#include "kernels/blur/blur.h"
#include "plan/lowering.h"

namespace linn::plan {

/// The binomial blur of src [height, width, channels], padded already.
Value blur2d(Lowering& to, Value src, const kernels::Geometry& geometry);

}  // namespace linn::plan
