#pragma once

#include "kernels/reduce/softmax.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// Softmax, its logarithm or sparsemax over the last axis.
Value softmax(Lowering& to, Value src, kernels::SoftmaxKind kind);

/// If `op` is a (plain) softmax: what it reads; undefined otherwise.
Value softmax_source(const Op& op);

}  // namespace linn::detail::plan
