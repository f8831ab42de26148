// Axes of an image as Keras counts them, with the batch axis as 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "linn/shape.h"

namespace linn::detail::layers {

/// The axis of an image, counted from 0. Throws ShapeError when an image of so many axes does not have it, ValueError for the batch axis.
std::size_t image_axis(std::int64_t axis, std::size_t rank, const std::string& where);

}  // namespace linn::detail::layers
