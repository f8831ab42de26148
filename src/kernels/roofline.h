// Loops that reach what a processor can do at most, as measures for kernels.
#pragma once

#include <cstdint>

namespace linn::kernels {

/// So many rounds of independent multiply-adds on registers, in the instruction set in use (one number at a time for `scalar`).
/// Returns the floating-point operations done, two a multiply-add.
double multiply_adds(std::int64_t rounds);

/// Copies with full vectors and the stores of any kernel, which read a line before they write it.
void copy(const float* src, float* dst, std::int64_t count);

}  // namespace linn::kernels
