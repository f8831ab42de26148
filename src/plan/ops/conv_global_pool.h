#pragma once

#include <memory>

#include "kernels/conv/conv.h"
#include "kernels/pool/pool.h"
#include "plan/op.h"

namespace linn::plan {

/// The op for a convolution, an op whose conv_problem is not null, with the global pooling after it: the map between is never stored. It has
/// the convolution's inputs.
std::unique_ptr<Op> conv_global_pool(const Op& conv, kernels::PoolKind kind);

}  // namespace linn::plan
