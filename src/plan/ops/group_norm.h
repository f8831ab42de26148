// Normalization of each image by its own statistics.
#pragma once

#include "plan/lowering.h"

namespace linn::detail::plan {

/// src [..., channels] normalized by mean and variance of each of `groups` groups of channels, over all pixels of the image
/// (kernels/norm/group.h). gamma and beta [channels] may be undefined: 1 and 0.
Value group_norm(Lowering& to, Value src, Value gamma, Value beta, std::int64_t groups, double epsilon);

/// Each row src[..., :] normalized by its own mean and variance. gamma and beta, of a row's size, may be undefined.
Value layer_norm(Lowering& to, Value src, Value gamma, Value beta, double epsilon);

/// Each row of the last axis by the root of the mean of its squares plus epsilon, times scale [channels].
Value rms_norm(Lowering& to, Value src, Value scale, double epsilon);
/// Each row of the last axis by its length, or by epsilon where that is more.
Value unit_norm(Lowering& to, Value src, double epsilon);

}  // namespace linn::detail::plan
