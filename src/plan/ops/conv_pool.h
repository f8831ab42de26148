#pragma once

#include <memory>

#include "kernels/conv/conv.h"
#include "kernels/conv/pooled.h"
#include "kernels/pool/pool.h"
#include "plan/op.h"

namespace linn::plan {

/// The kernel's problem for a convolution with the pooling after it. The map between is no larger than what the windows see.
kernels::ConvPoolForward::Problem joined_problem(const kernels::ConvForward::Problem& conv, const kernels::PoolForward::Problem& pool, bool argmax);
/// Whether training can go on from the pooled map alone. Not behind an average, as relu's gradient needs the map; groups and windows above
/// 255 cells have no sparse gradient.
bool has_sparse_gradients(const kernels::ConvForward::Problem& conv, const kernels::PoolForward::Problem& pool);

/// The op for a convolution, an op whose conv_problem is not null, with the pooling after it: the map between is never stored. It has the
/// convolution's inputs.
std::unique_ptr<Op> conv_pool(const Op& conv, const kernels::PoolForward::Problem& pool);

}  // namespace linn::plan
