// Arithmetic of a value and a constant, as layers.
#pragma once

#include <string_view>

#include "formats/onnx/operation.h"

namespace linn::formats::onnx {

/// value * scale + offset, by a Rescaling; the value itself for 1 and 0.
Activation scaled(const Operation& op, const Activation& value, double scale, double offset, std::string_view suffix = {});
/// No less than `low`, no more than `high`; infinities are no limits.
Activation clipped(const Operation& op, const Activation& source, double low, double high);

}  // namespace linn::formats::onnx
