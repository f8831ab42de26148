// Arithmetic of one value, as layers.
#pragma once

#include <string_view>

#include "formats/onnx/operation.h"

namespace linn::detail::formats::onnx {

/// value * scale + offset, by a Rescaling; the value itself for 1 and 0.
Activation scaled(const Operation& op, const Activation& value, double scale, double offset, std::string_view suffix = {});
/// value^exponent.
Activation raised(const Operation& op, const Activation& value, double exponent, std::string_view suffix = {});
/// The larger of a value and its negative; the value itself where it is not negative.
Activation magnitude(const Operation& op, const Activation& value, std::string_view suffix = {});
/// The value with its axes of size 1 repeated to these sizes.
Activation expanded(const Operation& op, Activation value, const Sizes& sizes);
/// No less than `low`, no more than `high`; infinities are no limits.
Activation clipped(const Operation& op, const Activation& source, double low, double high);

}  // namespace linn::detail::formats::onnx
