#pragma once

#include <cstdint>

#include "plan/lowering.h"

namespace linn::plan {

/// src [..., inputs] times kernel [inputs, outputs], plus bias (which may be undefined), over the last axis.
Value dense(Lowering& to, Value src, Value kernel, Value bias);

/// Swaps the last two axes of a variable seen as [batches, rows, columns]. Depends on no image, so it runs once a step.
Value transpose_kernel(Lowering& to, Value kernel, std::int64_t batches, std::int64_t rows, std::int64_t columns);

/// The gradient of a bias of C values from the gradient of what it was added to, [..., C].
Value bias_gradient(Gradients& gradients, Value bias, Value ddst);

}  // namespace linn::plan
