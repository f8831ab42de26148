// Values that lie in the memory of another.
#pragma once

#include "plan/lowering.h"

namespace linn::plan {

/// Lets the parts of concatenations, crops and slices (Op::sections) lie in the whole: the kernels beside them then write, or read, pixels and
/// rows with gaps between them, and the op in between has nothing to do. Where one of those kernels knows no gaps (Op::input_pitches,
/// Op::output_pitches) the copy stays. The last pass: ops are as they will run, gradients and all.
void make_views(Lowering& lowering);

}  // namespace linn::plan
