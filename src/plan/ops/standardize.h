// Normalization by given or adapted statistics, which are not trained.
#pragma once

#include <vector>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// With deviation = max(sqrt(variance), 1e-7), Keras's epsilon: (src - mean) / deviation, or src * deviation + mean if `invert`. mean and
/// variance [channels] are variables; src has `channels` as its last axis.
Value standardize(Lowering& to, Value src, Value mean, Value variance, bool invert);
/// The same with constant statistics: one value for all channels, or one for each channel.
Value standardize(Lowering& to, Value src, const std::vector<double>& mean, const std::vector<double>& variance, bool invert);

}  // namespace linn::detail::plan
