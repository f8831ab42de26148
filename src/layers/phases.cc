#include "layers/phases.h"

#include <fmt/format.h>

#include "layers/window.h"
#include "linn/error.h"

namespace linn::detail::layers {
namespace {

// Pads that make a size a multiple of the stride.
std::int64_t missing(std::int64_t size, std::int64_t stride) { return (stride - size % stride) % stride; }

}  // namespace

kernels::Phases phases_of(const Size2& strides, const Shape& input, const std::string& where) {
  check_map(input, where);
  const std::int64_t rows = missing(input[0], strides.height), columns = missing(input[1], strides.width);
  if (rows > 0 || columns > 0)
    throw ShapeError(
        fmt::format("{} strides {} do not divide input ({}, {}): phases of unequal size are no shifts of each other, so nothing would be "
                    "guaranteed; put ZeroPadding2D({{{{0, {}}}, {{0, {}}}}}) on the network's input so that every map is a multiple, or "
                    "before this layer, "
                    "where the guarantee starts anew",
                    where, to_string(strides), input[0], input[1], rows, columns));
  return {.height = input[0], .width = input[1], .channels = input[2], .stride_height = strides.height, .stride_width = strides.width};
}

Shape shape_of(const kernels::Phases& phases) { return {phases.rows(), phases.columns(), phases.channels}; }

}  // namespace linn::detail::layers
