// What the numbers of images are: bytes, shares of 1, something else.
#pragma once

#include <string>

#include "linn/tensor.h"

namespace linn::detail::data {

struct ValueRange {
  double least = 0;
  double largest = 0;
  bool whole = true;  // every value is a whole number

  friend bool operator==(const ValueRange&, const ValueRange&) = default;
};

/// Throws DataError for NaN, naming the image.
ValueRange value_range(const Tensor& images, const std::string& where);

/// What brings the values to 0..1: 1/255 for whole numbers of 0 to 255, 1/65535 for those of 0 to 65535, whatever type holds them; 1 for
/// what lies within 0..1 already, such as bytes that are only 0 and 1, and for all other numbers, whose meaning is not known.
double pixel_scale(const ValueRange& range);

}  // namespace linn::detail::data
