// Constraints of variables, after an optimizer's step. Variables are bound values and are changed in place.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// Negative elements become 0.
void keep_not_negative(Lowering& to, Value variable);
/// w * wanted(n) / (n + 1e-7), where n is the norm of all elements that differ only in their places on `axes`.
void scale_norms(Lowering& to, Value variable, std::vector<std::size_t> axes, std::function<double(double norm)> wanted);

}  // namespace linn::detail::plan
