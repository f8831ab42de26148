#pragma once

#include "kernels/resample/resample.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// src [height, width, channels] resampled to another size. Returns src if the size is the same.
Value resample(Lowering& to, Value src, std::int64_t height, std::int64_t width, kernels::Interpolation interpolation);

}  // namespace linn::detail::plan
