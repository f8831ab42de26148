#pragma once

#include <cstdint>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// src [..., inputs] times kernel [inputs, outputs] over the last axis, plus bias, which may be undefined.
Value dense(Lowering& to, Value src, Value kernel, Value bias);

/// Swaps the last two axes of a variable read as [batches, rows, columns]. Runs once for each step, because it does not depend on images.
Value transpose_kernel(Lowering& to, Value kernel, std::int64_t batches, std::int64_t rows, std::int64_t columns);

/// The gradient of a bias of C values, from the gradient [..., C] of the sum.
Value bias_gradient(Gradients& gradients, Value bias, Value ddst);

}  // namespace linn::detail::plan
