// Batch normalization over the last axis.
#pragma once

#include <memory>

#include "plan/lowering.h"

namespace linn::plan {

/// Of one value a channel each; gamma and beta may be undefined: 1 and 0.
struct NormVariables {
  Value gamma, beta, moving_mean, moving_variance;
};

/// By the statistics of the batch, which all workers wait for; they are added to the moving ones as an update (Lowering::add_update).
Value batch_norm(Lowering& to, Value src, const NormVariables& variables, double epsilon, double momentum);
/// By the moving statistics.
Value frozen_norm(Lowering& to, Value src, const NormVariables& variables, double epsilon);

/// What `op` scales and shifts channels with, [3, channels] (kernels/norm/norm.h), if it is a frozen_norm and nothing else;
/// undefined for other ops.
Value norm_coefficients(const Op& op);
/// Whether `op` is a normalization that no activation has joined yet; for fusion, as the next.
bool is_linear_norm(const Op& op);
/// A copy of a normalization with relu behind it.
std::unique_ptr<Op> norm_with_relu(const Op& op);
/// An op, not yet added, that makes of a kernel [..., channels] and a bias (or none) those that give the normalized result.
/// Outputs: kernel, bias.
std::unique_ptr<Op> fold_norm(Lowering& to, Value kernel, Value bias, Value coefficients);

}  // namespace linn::plan
