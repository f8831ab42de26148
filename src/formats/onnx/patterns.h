// Functions that exporters write as several nodes, taken as one.
#pragma once

#include <optional>

#include "formats/onnx/operation.h"

namespace linn::formats::onnx {

/// Where the only reader of this node multiplies its result with its own input, x * f(x): that node is taken along.
bool take_product_with_input(const Operation& op);

/// x * (1 + erf(x / sqrt(2))) / 2, in the orders that exporters write it, where this node divides x by sqrt(2) for an Erf: the gelu of x.
std::optional<Activation> matched_gelu(const Operation& op);

/// (x - mean(x)) / sqrt(variance(x) + epsilon), times gamma plus beta, where this node computes the mean: the LayerNormalization of x.
std::optional<Activation> matched_layer_norm(const Operation& op);

}  // namespace linn::formats::onnx
