#pragma once

#include "kernels/eltwise/rectify.h"
#include "plan/lowering.h"

namespace linn::plan {

/// A rectifier with arguments. Plain relu and relu6 become the activation op, which convolutions take in.
Value rectify(Lowering& to, Value src, const kernels::RectifyForward::Problem& problem);
/// The exponential linear unit.
Value elu(Lowering& to, Value src, double alpha);

}  // namespace linn::plan
