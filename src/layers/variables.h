// Values of many variables at once.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "layers/layer_object.h"
#include "linn/tensor.h"

namespace linn::detail {

/// Puts values into variables, all or none. Every mistake is in one message that begins with `where` and names the variable, the shape that came
/// and the shape that is wanted: ShapeError if shapes are all that is wrong, ValueError for a tensor that is missing or of no variable.
/// `owner` is whose the variables are, `model "net"`.
void set_values(std::span<const NamedVariable> variables, std::span<const std::pair<std::string, Tensor>> values, const std::string& owner,
                const std::string& where);
/// The same for values in the order of the variables. ValueError for another number of them.
void set_values(std::span<const NamedVariable> variables, std::span<const Tensor> values, const std::string& owner, const std::string& where);

}  // namespace linn::detail
