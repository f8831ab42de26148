#pragma once

#include <memory>

#include "kernels/conv/conv.h"
#include "kernels/pool/pool.h"
#include "plan/op.h"

namespace linn::plan {

/// The op for a convolution with the pooling after it, whose map between is never stored; null where it must be: in training an
/// average pooling behind a relu needs the map for relu's gradient, groups and windows above 256 cells have no sparse gradient.
std::unique_ptr<Op> conv_pool(const kernels::ConvForward::Problem& conv, const kernels::PoolForward::Problem& pool, bool training);

}  // namespace linn::plan
