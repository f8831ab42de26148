// Batch normalization over the last axis.
#pragma once

#include <memory>

#include "plan/lowering.h"

namespace linn::detail::plan {

/// Variables of one value for each channel. gamma and beta may be undefined: 1 and 0.
struct NormVariables {
  Value gamma, beta, moving_mean, moving_variance;
};

/// Normalization by the statistics of the batch, with a barrier before they are known. Adds the update of the moving statistics
/// (Lowering::add_update).
Value batch_norm(Lowering& to, Value src, const NormVariables& variables, double epsilon, double momentum);
/// Normalization by the moving statistics.
Value frozen_norm(Lowering& to, Value src, const NormVariables& variables, double epsilon);

/// The coefficients [3, channels] (kernels/norm/norm.h) of a frozen_norm without a fused activation; undefined for other ops.
Value norm_coefficients(const Op& op);
/// Whether `op` is a normalization without a fused activation; for fusion.
bool is_linear_norm(const Op& op);
/// A copy of a normalization with relu; for fusion.
std::unique_ptr<Op> norm_with_relu(const Op& op);

}  // namespace linn::detail::plan
