#include "layers/axes.h"

#include <fmt/format.h>

#include "linn/error.h"

namespace linn::detail::layers {

std::size_t image_axis(std::int64_t axis, std::size_t rank, const std::string& where) {
  const auto axes = static_cast<std::int64_t>(rank) + 1;  // with the batch axis
  const std::int64_t counted = axis < 0 ? axis + axes : axis;
  if (counted < 0 || counted >= axes)
    throw ShapeError(fmt::format("{} axis is {}; an input of {} axes, the batch axis included, has axes {} to {}", where, axis, axes, -axes, axes - 1));
  if (counted == 0) throw ValueError(fmt::format("{} axis is {}, the batch axis; use an axis of the image, 1 to {}", where, axis, axes - 1));
  return static_cast<std::size_t>(counted - 1);
}

}  // namespace linn::detail::layers
