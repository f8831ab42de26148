// Loops that measure the machine: what kernels are compared with in the same run.
#pragma once

#include <cstdint>

namespace linn::bench {

/// Nothing but multiply-adds on 12 accumulators, as wide as the chosen instruction set has them. `values` holds two factors and
/// gets a result. Returns how many floating-point operations it did.
double multiply_add_loop(std::int64_t steps, float* values);

/// dst[i] = src[i] * scale, one vector after the other. Returns how many bytes it read and wrote.
double scale_loop(std::int64_t count, float scale, const float* src, float* dst);

}  // namespace linn::bench
