// Normalization by statistics that were given or adapted, not learned.
#pragma once

#include <vector>

#include "plan/lowering.h"

namespace linn::plan {

/// With deviation = max(sqrt(variance), 1e-7), Keras's epsilon: (src - mean) / deviation, or src * deviation + mean if `invert`. mean and
/// variance [channels] are variables; src has `channels` as its last axis.
Value standardize(Lowering& to, Value src, Value mean, Value variance, bool invert);
/// By statistics that never change: one value of each for all channels, or as many as channels.
Value standardize(Lowering& to, Value src, const std::vector<double>& mean, const std::vector<double>& variance, bool invert);

}  // namespace linn::plan
