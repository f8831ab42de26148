#pragma once

#include <cstdint>

#include "kernels/pool/general.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// General pooling (kernels/pool/general.h) of src [height, width, channels]. `parameters`: undefined where the function has none, or
/// mixed has a fixed share. `seed` counts for PoolFunction::sampled alone, besides the model's.
Value general_pool2d(Lowering& to, Value src, Value parameters, const kernels::GeneralPoolForward::Problem& problem, std::uint64_t seed = 0);

}  // namespace linn::detail::plan
