// Ops that treat each element alone.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/eltwise/activation.h"
#include "linn/tensor.h"
#include "plan/lowering.h"

namespace linn::detail::plan {

/// A batch out of data source number `source`, whose rows have this shape and type, as real numbers.
Value gather(Lowering& to, int source, const Shape& shape, DType from);
/// Integer labels of data source number `source`, so many an image.
Value gather_labels(Lowering& to, int source, std::int64_t labels, DType from);
/// src * scale + offset.
Value rescale(Lowering& to, Value src, double scale, double offset);
/// A value of its own with the same numbers and shape.
Value copy(Lowering& to, Value src);
/// The sum of two or more values of one shape, added in this order. Fixed values are added once all shards have met: a value that is summed
/// over shards has no meaning within one of them. That costs no more than adding in each shard would, as a tree joins each term anyway.
Value sum(Lowering& to, const std::vector<Value>& terms);
inline Value add(Lowering& to, Value a, Value b) { return sum(to, {a, b}); }
/// f(src); plan::activation(to, src, {kernels::Activation::leaky_relu, 0.1}) gives the arguments too. linear adds nothing.
Value activation(Lowering& to, Value src, const kernels::ActivationSpec& function);
/// Zero with probability `rate`, else scaled by 1 / (1 - rate). Only for training plans.
Value dropout(Lowering& to, Value src, double rate, std::uint64_t seed);

/// ddst * f'(src); for relu, src may be the activation's result.
Value activation_gradient(Gradients& gradients, const kernels::ActivationSpec& function, Value src, Value ddst);
/// What `op` applies to each element, or null if it is no activation; for fusion, as the next.
const kernels::ActivationForward::Problem* activation_problem(const Op& op);
bool is_relu(const Op& op);
/// Whether `op` is the sum of two values of the batch.
bool is_sum_of_two(const Op& op);
/// The input of `op` if that is a sigmoid, else undefined.
Value sigmoid_source(const Op& op);

}  // namespace linn::detail::plan
