// Weights of ONNX as linn's layers want them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/onnx/layout.h"
#include "linn/tensor.h"

namespace linn::detail::formats::onnx {

/// Axis i of the result is axis axes[i] of the source; row-major.
Tensor transposed_tensor(std::span<const float> values, std::span<const std::int64_t> sizes, std::span<const std::size_t> axes);
Tensor vector_tensor(std::span<const float> values);
/// A value for each number of a row that was flattened without moving its numbers, in linn's order. As they come when there is no such row.
std::vector<float> in_row_order(std::vector<float> values, const std::optional<Activation::Row>& row);

}  // namespace linn::detail::formats::onnx
