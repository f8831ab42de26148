// The kernel of a layer divided by its largest singular value, before each step.
#pragma once

#include <cstdint>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// Before each step (Lowering::add_preparation): with w the kernel as a matrix (all but its last axis, last axis), `power_iterations` times
/// v = u w' / |u w'|, u = v w / |v w|; then vector_u = u and kernel = kernel / (v w u'). A kernel of zeros, or for which v w u' is 0, keeps
/// its values, and vector_u too. Sums are in double. The same bits on any number of threads.
void spectral_normalize(Lowering& to, Value kernel, Value vector_u, std::int64_t power_iterations);

}  // namespace linn::detail::plan
