#pragma once

#include "plan/lowering.h"

namespace linn::plan {

/// Softmax, or its logarithm, over the last axis.
Value softmax(Lowering& to, Value src, bool log);

/// If `op` is a (plain) softmax: what it reads; undefined otherwise.
Value softmax_source(const Op& op);

}  // namespace linn::plan
