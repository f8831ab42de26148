// Affine and projective transformations of one image, and a transformation by given coordinates. The rules are those of TensorFlow's
// ImageProjectiveTransformV3, which Keras's affine_transform calls.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/augment/image.h"

namespace linn::detail::kernels {

/// Where the input of pixel (x, y) of the output lies: ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1.
struct Projection {
  double a0 = 1, a1 = 0, a2 = 0, b0 = 0, b1 = 1, b2 = 0, c0 = 0, c1 = 0;

  bool is_affine() const { return c0 == 0 && c1 == 0; }
};

/// The projection that takes the four points `end` of the output to the points `start` of the input, (x, y) each; by Gaussian elimination.
/// Three points on a line have none: the result then holds NaN, and all pixels are filled.
Projection projection_between(const std::array<std::array<double, 2>, 4>& start, const std::array<std::array<double, 2>, 4>& end);

/// What lies beyond the border, for a row "abcd":
/// reflect  dcba|abcd|dcba
/// wrap     abcd|abcd|abcd
/// constant kkkk|abcd|kkkk
/// nearest  aaaa|abcd|dddd
enum class Fill : std::uint8_t { reflect, wrap, constant, nearest };

struct TransformRules {
  Fill fill = Fill::reflect;
  double fill_value = 0;
  bool bilinear = true;  // else the nearest pixel, halves rounded away from zero
};

/// dst[y, x] is src at the point that the projection says. With bilinear weights the four pixels around it count; beyond the border a point
/// is first moved by the fill mode, and with `constant` the pixels beyond it have the fill value. Where k is 0 or a coordinate is not
/// finite the fill value stands. Coordinates are computed in T. Source and result have the same size and do not overlap.
template <class T>
void transform_reference(const ImageSize& size, const TransformRules& rules, const Projection& projection, const T* src, T* dst);
/// The same: pixels whose four neighbours lie inside take a loop without tests. float only.
void transform(const ImageSize& size, const TransformRules& rules, const Projection& projection, const float* src, float* dst);
inline void transform(const ImageSize& size, const TransformRules& rules, const Projection& projection, const double* src, double* dst) {
  transform_reference(size, rules, projection, src, dst);
}
/// The gradient: dsrc, which is overwritten, is the transpose of the linear part of `transform` times ddst.
template <class T>
void transform_transpose(const ImageSize& size, const TransformRules& rules, const Projection& projection, const T* ddst, T* dsrc);

}  // namespace linn::detail::kernels
