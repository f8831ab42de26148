// Ops that only reorder the elements of an image.
#pragma once

#include "plan/lowering.h"

namespace linn::detail::plan {

/// src with permuted axes: axis k of the result is src's axis order[k], counted without the batch axis. Returns src if the order is the
/// same.
Value permute(Lowering& to, Value src, const Shape& order);

}  // namespace linn::detail::plan
