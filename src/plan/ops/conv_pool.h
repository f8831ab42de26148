#pragma once

#include <memory>

#include "kernels/conv/conv.h"
#include "kernels/conv/pooled.h"
#include "kernels/pool/pool.h"
#include "plan/op.h"

namespace linn::detail::plan {

/// The fused kernel's problem for a convolution and the pooling behind it. The map between them is trimmed to the windows.
kernels::ConvPoolForward::Problem joined_problem(const kernels::ConvForward::Problem& conv, const kernels::PoolForward::Problem& pool, bool argmax);
/// Whether the gradients can be computed from the pooled map alone. False for an average, because relu's gradient needs the map, and for
/// groups and windows above 255 cells, which have no sparse gradient kernels.
bool has_sparse_gradients(const kernels::ConvForward::Problem& conv, const kernels::PoolForward::Problem& pool);

/// The fused op for a convolution (conv_problem must not be null) and the pooling behind it. It has the convolution's inputs and never
/// stores the map between them.
std::unique_ptr<Op> conv_pool(const Op& conv, const kernels::PoolForward::Problem& pool);

}  // namespace linn::detail::plan
