// Folding of a batch normalization into the kernel and bias before it (the pass `fold`).
#pragma once

#include <memory>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// An op, not yet added, that computes from a kernel [..., channels] and a bias (may be undefined) the kernel and bias that give the
/// normalized result. Outputs: kernel, bias.
std::unique_ptr<Op> fold_norm(Lowering& to, Value kernel, Value bias, Value coefficients);

}  // namespace linn::detail::plan
