// Products of the rows of two values of the batch.
#pragma once

#include "plan/lowering.h"

namespace linn::detail::plan {

/// For each image: a [rows, terms] times the transpose of b [columns, terms], [rows, columns].
Value batch_dot(Lowering& to, Value a, Value b);

}  // namespace linn::detail::plan
