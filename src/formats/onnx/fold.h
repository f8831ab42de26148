// Operators computed while the file is read, because all their inputs are constants: chains such as Shape -> Gather -> Concat -> Reshape,
// and weights that an exporter left transposed or scaled. Numbers are float32 or int64; sizes that the file leaves open are carried as
// marks.
#pragma once

#include "formats/onnx/constant.h"
#include "formats/onnx/operation.h"

namespace linn::detail::formats::onnx {

Constant fold_constant(const Operation& op);
Constant fold_constant_of_shape(const Operation& op);
Constant fold_identity(const Operation& op);
Constant fold_cast(const Operation& op);
Constant fold_shape(const Operation& op);
Constant fold_size(const Operation& op);
Constant fold_range(const Operation& op);

// onnx_fold_arrange.cc
Constant fold_gather(const Operation& op);
Constant fold_slice(const Operation& op);
Constant fold_concat(const Operation& op);
Constant fold_squeeze(const Operation& op);
Constant fold_unsqueeze(const Operation& op);
Constant fold_reshape(const Operation& op);
Constant fold_flatten(const Operation& op);
Constant fold_transpose(const Operation& op);
Constant fold_expand(const Operation& op);
Constant fold_tile(const Operation& op);

// onnx_fold_math.cc
Constant fold_add(const Operation& op);
Constant fold_subtract(const Operation& op);
Constant fold_multiply(const Operation& op);
Constant fold_divide(const Operation& op);
Constant fold_modulo(const Operation& op);
Constant fold_power(const Operation& op);
Constant fold_minimum(const Operation& op);
Constant fold_maximum(const Operation& op);
Constant fold_equal(const Operation& op);
Constant fold_less(const Operation& op);
Constant fold_greater(const Operation& op);
Constant fold_where(const Operation& op);
Constant fold_negate(const Operation& op);
Constant fold_absolute(const Operation& op);
Constant fold_floor(const Operation& op);
Constant fold_ceil(const Operation& op);
Constant fold_square_root(const Operation& op);
Constant fold_reciprocal(const Operation& op);
Constant fold_exponential(const Operation& op);
Constant fold_logarithm(const Operation& op);
Constant fold_not(const Operation& op);
Constant fold_product(const Operation& op);

/// Elements of `source` under another shape: element k of the result is element places[k] of the source.
Constant picked(const Operation& op, const Constant& source, std::vector<std::int64_t> dims, std::span<const std::size_t> places);
/// The number of elements of a result, counted against what folding may compute.
std::size_t counted(const Operation& op, std::span<const std::int64_t> dims);

}  // namespace linn::detail::formats::onnx
