// Functions that exporters write as several nodes, taken as one.
#pragma once

#include <optional>
#include <string_view>

#include "formats/onnx/operation.h"

namespace linn::detail::formats::onnx {

/// Null where the node has none of this name.
const Attribute* attribute_of(const Node& node, std::string_view name);

/// Of the nodes with which linn writes a polyphase sampling all but the GatherND are marked as done; import_gather_nd makes the layer.
void take_polyphase_choices(Network& network);

/// Where the only reader of this node multiplies its result with its own input, x * f(x): that node is taken along.
bool take_product_with_input(const Operation& op);

/// Where the only reader of this node multiplies its result with |x| or relu(|x|), x being its own input: that node is taken along.
bool take_product_with_magnitude(const Operation& op);

/// x * (1 + erf(x / sqrt(2))) / 2, in the orders that exporters write it, where this node divides x by sqrt(2) for an Erf: the gelu of x.
std::optional<Activation> matched_gelu(const Operation& op);

/// (x - mean(x)) / sqrt(variance(x) + epsilon), times gamma plus beta, where this node computes the mean: the LayerNormalization of x.
std::optional<Activation> matched_layer_norm(const Operation& op);

}  // namespace linn::detail::formats::onnx
