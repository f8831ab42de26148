#pragma once

#include "kernels/resample/resample.h"
#include "plan/lowering.h"

namespace linn::plan {

/// src [height, width, channels] as a map of another resolution; src itself where the size stays.
Value resample(Lowering& to, Value src, std::int64_t height, std::int64_t width, kernels::Interpolation interpolation);

}  // namespace linn::plan
