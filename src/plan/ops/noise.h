// Random noise on maps. Only for training plans.
#pragma once

#include <cstdint>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// Sets whole channels of an image to zero with probability `rate`, and scales the others by 1 / (1 - rate).
Value spatial_dropout(Lowering& to, Value src, double rate, std::uint64_t seed);
/// src plus deviation times a standard normal number, drawn for each element.
Value gaussian_noise(Lowering& to, Value src, double deviation, std::uint64_t seed);

/// src times 1 plus deviation times a standard normal number, drawn for each element.
Value gaussian_dropout(Lowering& to, Value src, double deviation, std::uint64_t seed);

}  // namespace linn::detail::plan
