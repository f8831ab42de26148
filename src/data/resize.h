// Images of one size from images of many.
#pragma once

#include <cstdint>
#include <span>

#include "linn/tensor.h"
#include "linn/types.h"

namespace linn::detail::data {

/// Resizes a uint8 image (height, width, channels) into `to`, size.height x size.width x channels values.
/// Bilinear with antialiasing, as PIL, torchvision and keras.ops.image.resize(antialias=True): the weight of a source pixel falls linearly
/// from the target's centre to 0 at max(1, source size / target size) pixels. Pixel centres lie at half numbers; the aspect ratio is
/// not kept. Computed in float32, rounded to the nearest integer.
void resize_image(const Tensor& image, const Size2& size, std::span<std::uint8_t> to);

/// The same as an image of its own.
Tensor resized(const Tensor& image, const Size2& size);

}  // namespace linn::detail::data
