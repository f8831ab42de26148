// Ops that move the elements of an image.
#pragma once

#include "plan/lowering.h"

namespace linn::plan {

/// src with its axes in another order: axis k of the result is src's axis order[k], counted without the batch axis. src itself where the
/// order is as it was.
Value permute(Lowering& to, Value src, const Shape& order);

}  // namespace linn::plan
