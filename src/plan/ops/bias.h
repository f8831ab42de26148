#pragma once

#include <memory>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// src [..., channels] plus bias [channels], for ops whose kernels add no bias. A relu behind it is fused.
Value add_bias(Lowering& to, Value src, Value bias);

/// Whether `op` is an added bias without a fused activation; for fusion.
bool is_linear_bias(const Op& op);
/// A copy of an added bias with relu; for fusion.
std::unique_ptr<Op> bias_with_relu(const Op& op);

}  // namespace linn::detail::plan
