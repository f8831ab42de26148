// Moves in vectors (Highway).
#pragma once

#include "kernels/layout/layout.h"
#include "kernels/vector_traits.h"

namespace linn::kernels::layout {

struct VectorCopyRows : VectorTraits<CopyRows> {
  static void run(const CopyRows::Problem& problem, const CopyRows::Args<float>& args);
};

/// Where the last axis stays the last: its elements are copied in one run. Others move one by one along the output.
struct Walked : VectorTraits<Permute> {
  static void run(const Permute::Problem& problem, const Permute::Args<float>& args);
};

}  // namespace linn::kernels::layout
