// Moves in vectors (Highway).
#pragma once

#include "kernels/layout/layout.h"
#include "kernels/vector_traits.h"

namespace linn::kernels::layout {

struct VectorCopyMap : VectorTraits<CopyMap> {
  static void run(const CopyMap::Problem& problem, const CopyMap::Args<float>& args);
};

/// Where the last axis stays the last: its elements are copied in one run. Others move one by one along the output.
struct Walked : VectorTraits<Permute> {
  static void run(const Permute::Problem& problem, const Permute::Args<float>& args);
};

}  // namespace linn::kernels::layout
