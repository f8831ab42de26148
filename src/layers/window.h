// What convolution and pooling share: a window over a map, checked and resolved, with messages that name the layer.
#pragma once

#include <string>
#include <string_view>

#include "kernels/geometry.h"
#include "linn/shape.h"
#include "linn/types.h"

namespace linn::layers {

/// Throws ValueError unless both numbers are 1 or more.
void check_size(const std::string& where, std::string_view field, const Size2& size);
/// "(2, 2)".
std::string to_string(const Size2& size);

struct WindowSpec {
  std::string_view field;  // "kernel_size" or "pool_size", for messages
  Size2 size, strides, dilation;
  Padding padding;
};

/// For an input (height, width, channels). Throws ShapeError when the input is no such map or is smaller than the window.
kernels::Geometry resolve_window(const WindowSpec& window, const Shape& input, std::int64_t out_channels, std::int64_t groups, const std::string& where);
/// Throws ShapeError unless the shape is (height, width, channels).
void check_map(const Shape& input, const std::string& where);

}  // namespace linn::layers
