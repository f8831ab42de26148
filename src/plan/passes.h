// The passes over a lowering. compile.h owns their order; nothing else runs them but tests of a single pass.
#pragma once

#include "kernels/implementation.h"
#include "plan/lowering.h"

namespace linn::plan {

/// Removes ops whose outputs nobody reads, keeps or has bound: unused branches, a softmax that the loss reached through, gradients that
/// nobody wants.
void drop_unread(Lowering& lowering);
/// Puts normalizations by known statistics into the kernel and bias before them. Inference only: training needs the kernel as it is.
void fold(Lowering& lowering);
/// Joins pairs of ops (fusions.h), and lets ops read from before their producer where that gives the same (Op::reach_through). Forward ops
/// only, before gradients are taken.
void fuse(Lowering& lowering, const kernels::Policy& policy = {});
/// Leaves out the rows and columns of maps that nobody reads. Example: 11x11 outputs before 2x2 windows become 10x10, and what these see of
/// the map before them shrinks too. Forward ops only, before gradients are taken.
void trim(Lowering& lowering);

}  // namespace linn::plan
