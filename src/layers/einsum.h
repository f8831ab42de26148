// The equations of EinsumDense.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "linn/axes.h"
#include "linn/shape.h"

namespace linn::detail::layers {

/// "abc,cd->abd", as a matrix product of one image: axes of the input in another order, times a matrix, in another order again.
class Einsum {
 public:
  /// What is wrong with the equation, with the sizes of the output or with the letters of the bias, or an empty text.
  static std::string fault(const std::string& equation, const Sizes& output_shape, const std::string& bias_axes);

  /// For images of this shape. Throws ShapeError where it does not fit. The equation must have no fault.
  Einsum(const std::string& equation, const Sizes& output_shape, const std::string& bias_axes, const Shape& input, const std::string& where);

  Shape kernel, bias, output;
  Shape input_order;   // the axes that stay, then those that are summed over, as the kernel names them
  Shape kept;          // sizes of the axes that stay
  Shape added;         // sizes of the axes that the kernel adds
  Shape output_order;  // of kept and added axes
  std::int64_t terms = 1, units = 1;
};

}  // namespace linn::detail::layers
