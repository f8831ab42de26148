#pragma once

#include <memory>

#include "kernels/conv/conv.h"
#include "kernels/pool/pool.h"
#include "plan/op.h"

namespace linn::detail::plan {

/// The fused op for a convolution (conv_problem must not be null) and the global pooling behind it. It has the convolution's inputs and
/// never stores the map between them.
std::unique_ptr<Op> conv_global_pool(const Op& conv, kernels::PoolKind kind);

}  // namespace linn::detail::plan
