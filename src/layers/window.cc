#include "layers/window.h"

#include <fmt/format.h>

#include "linn/error.h"

namespace linn::layers {

void check_size(const std::string& where, std::string_view field, const Size2& size) {
  if (size.height < 1 || size.width < 1) throw ValueError(fmt::format("{} {} is {}; both numbers must be 1 or more", where, field, to_string(size)));
}

std::string to_string(const Size2& size) { return fmt::format("({}, {})", size.height, size.width); }

void check_map(const Shape& input, const std::string& where) {
  if (input.rank() != 3)
    throw ShapeError(fmt::format("{} needs an input of shape (height, width, channels); {} came", where, input.to_string()));
}

kernels::Geometry resolve_window(const WindowSpec& window, const Shape& input, std::int64_t out_channels, std::int64_t groups, const std::string& where) {
  check_map(input, where);
  const kernels::Window geometry{.height = window.size.height,
                                 .width = window.size.width,
                                 .stride_height = window.strides.height,
                                 .stride_width = window.strides.width,
                                 .dilation_height = window.dilation.height,
                                 .dilation_width = window.dilation.width,
                                 .border = window.padding.kind() == Padding::same ? kernels::Border::same : kernels::Border::valid};
  const auto resolved = kernels::resolve(geometry, input[0], input[1], input[2], out_channels, groups);
  if (!resolved)
    throw ShapeError(fmt::format("{} {} {} does not fit input ({}, {}); use padding=\"same\" or a smaller window", where, window.field,
                                 to_string(window.size), input[0], input[1]));
  return *resolved;
}

}  // namespace linn::layers
