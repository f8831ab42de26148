// Random numbers on maps. Only for training plans.
#pragma once

#include <cstdint>

#include "plan/lowering.h"

namespace linn::plan {

/// Whole channels of an image are zero with probability `rate`, the others scaled by 1 / (1 - rate).
Value spatial_dropout(Lowering& to, Value src, double rate, std::uint64_t seed);
/// src + deviation * a standard normal number for each element.
Value gaussian_noise(Lowering& to, Value src, double deviation, std::uint64_t seed);

}  // namespace linn::plan
