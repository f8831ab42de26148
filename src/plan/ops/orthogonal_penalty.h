// The penalty of a matrix whose rows or columns are not orthogonal.
#pragma once

#include "plan/lowering.h"

namespace linn::detail::plan {

/// factor * the mean of |cosine| over all pairs of rows (or columns) of a matrix: one f64; 0 where there is no pair. Lengths below 1e-7 count
/// as 1e-7. The matrix is a variable of two axes, or a value of the batch of one axis, whose rows are images. In training plans the penalty's
/// gradient is added to the matrix's, once for each step; of a value of the batch it is divided by the images.
Value orthogonal_penalty(Lowering& to, Value matrix, double factor, bool columns);

}  // namespace linn::detail::plan
