// Views: values that lie in the memory of another value.
#pragma once

#include "plan/lowering.h"

namespace linn::detail::plan {

/// Makes the parts of concatenations, crops and slices (Op::sections) views of the whole. The kernels that write or read a part then use
/// the pitches of the whole, and nothing is copied. A part is still copied if one of these kernels takes no pitches (Op::input_pitches,
/// Op::output_pitches). Must be the last pass, because it needs the final ops, also those of the gradients.
void make_views(Lowering& lowering);

}  // namespace linn::detail::plan
