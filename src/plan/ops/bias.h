#pragma once

#include <memory>

#include "plan/lowering.h"

namespace linn::plan {

/// src [..., channels] plus bias [channels], for ops whose kernels add none. A relu behind it becomes part of it.
Value add_bias(Lowering& to, Value src, Value bias);

/// Whether `op` is an added bias that no activation has joined yet; for fusion, as the next.
bool is_linear_bias(const Op& op);
/// A copy of an added bias with relu behind it.
std::unique_ptr<Op> bias_with_relu(const Op& op);

}  // namespace linn::plan
