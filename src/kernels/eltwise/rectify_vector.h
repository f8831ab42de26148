// Rectifiers in vectors (Highway): the reference's operations in its order, so the same bits.
#pragma once

#include "kernels/eltwise/rectify.h"
#include "kernels/vector_traits.h"

namespace linn::kernels::eltwise {

struct VectorRectify : VectorTraits<RectifyForward> {
  static void run(const RectifyForward::Problem& problem, const RectifyForward::Args<float>& args);
};
struct VectorRectifyGradient : VectorTraits<RectifyGradient> {
  static void run(const RectifyGradient::Problem& problem, const RectifyGradient::Args<float>& args);
};

}  // namespace linn::kernels::eltwise
