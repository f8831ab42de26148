#pragma once

#include <memory>

#include "kernels/conv/conv.h"
#include "kernels/pool/pool.h"
#include "plan/op.h"

namespace linn::plan {

/// The op for a convolution with the global pooling after it, whose map between is never stored; null where it must be: in training a mean
/// gives every pixel a gradient, and groups have no sparse one; a mean that must not depend on positions is summed in units of the largest
/// value of the whole map.
std::unique_ptr<Op> conv_global_pool(const kernels::ConvForward::Problem& conv, kernels::PoolKind kind, const Joining& plan);

}  // namespace linn::plan
