// Moves in vectors (Highway).
#pragma once

#include "kernels/implementation.h"
#include "kernels/layout/layout.h"

namespace linn::detail::kernels::layout {

struct VectorCopyMap : Implements<CopyMap> {
  static void run(const CopyMap::Problem& problem, const CopyMap::Args<float>& args);
};

/// If the last axis stays the last, its elements are copied as a run; else element by element in the order of the output.
struct Walked : Implements<Permute> {
  static void run(const Permute::Problem& problem, const Permute::Args<float>& args);
};

}  // namespace linn::detail::kernels::layout
