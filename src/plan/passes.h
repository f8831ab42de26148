// The passes over a lowering. compile.h owns their order; besides it only tests of single passes call them.
#pragma once

#include "kernels/implementation.h"
#include "plan/fusions.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// Removes ops whose outputs are neither read nor kept nor bound: unused branches, a softmax that the loss no longer reads, unneeded
/// gradients.
void drop_unread(Lowering& lowering);
/// Folds normalizations with known statistics into the kernel and bias before them. Inference only: training changes the kernel itself.
void fold(Lowering& lowering);
/// Fuses pairs of ops (fusions.h), and lets ops read the input of their producer (Op::reach_through). Runs before the gradients are added.
void fuse(Lowering& lowering, const kernels::Policy& policy = {}, Chains chains = Chains::where_cheaper);
/// Removes rows and columns of maps that no op reads. Example: a map of 11x11 before 2x2 windows becomes 10x10, and the map before it
/// shrinks accordingly. Runs before the gradients are added.
void trim(Lowering& lowering);

}  // namespace linn::detail::plan
