// Pixels in the range that the tests' networks are trained on.
#pragma once

#include "linn/tensor.h"

namespace linn::tests {

/// Bytes as numbers from 0 to 1.
inline Tensor from_0_to_1(const Tensor& bytes) {
  Tensor result = bytes.astype(DType::f32);
  for (float& value : result.values<float>()) value *= 1.0F / 255;
  return result;
}

}  // namespace linn::tests
