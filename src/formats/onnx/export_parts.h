// Groups of nodes that several layers are written with.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

#include "formats/onnx/layer.h"
#include "linn/tensor.h"
#include "linn/types.h"

namespace linn::detail::formats::onnx {

/// A map (N, C, H, W) with rows and columns of the opposite side around it. `image` is its shape in linn; `part` names the nodes.
std::string wrapped(ExportedCall& call, const std::string& map, const Pads2& pads, const Shape& image, const std::string& part);
/// The same with the border of a blur: "reflect", "replicate", "zero" or "circular".
std::string bordered(ExportedCall& call, const std::string& map, const Pads2& pads, const std::string& border, const Shape& image, const std::string& part);
/// Weights with their axes in another order.
Tensor with_axes(const Tensor& weights, std::initializer_list<std::size_t> axes);
/// Phases x[i::stride, j::stride] of map `input`, row by row.
std::vector<std::string> phases_of(ExportedCall& call, std::size_t input, const Size2& strides);

}  // namespace linn::detail::formats::onnx
