// Whole numbers as rows of ones and zeros.
#pragma once

#include <cstdint>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// Of each `row` numbers of src a row of `tokens`: how often each whole number 0 to tokens - 1 is there, at most 1 without `counts`. The
/// result has the shape `shape`. No gradient flows through it.
Value encode(Lowering& to, Value src, std::int64_t row, std::int64_t tokens, bool counts, const Shape& shape);

}  // namespace linn::detail::plan
