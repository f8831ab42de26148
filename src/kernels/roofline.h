// Loops that reach the highest arithmetic rate and memory bandwidth of the processor. Kernels are compared with them.
#pragma once

#include <cstdint>

namespace linn::detail::kernels {

/// Runs `rounds` rounds of independent multiply-adds on registers in the chosen instruction set (one number at a time for `scalar`).
/// Returns the number of floating-point operations, two for each multiply-add.
double multiply_adds(std::int64_t rounds);

/// Copies with full vectors and ordinary stores, which read a cache line before they write it, as kernels do.
void copy(const float* src, float* dst, std::int64_t count);

}  // namespace linn::detail::kernels
