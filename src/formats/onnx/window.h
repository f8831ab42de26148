// Where the windows of a convolution or a pooling lie on a map, from ONNX's attributes.
#pragma once

#include <string_view>

#include "formats/onnx/operation.h"
#include "linn/types.h"

namespace linn::detail::formats::onnx {

/// One axis of a window.
struct WindowAxis {
  std::int64_t size = 1, stride = 1, dilation = 1;
  std::int64_t before = 0, after = 0;  // pads
  std::int64_t beyond = 0;             // what ceil_mode adds after them: cells that count nowhere

  std::int64_t extent() const { return (size - 1) * dilation + 1; }
};

/// How the pads of a window are put into linn's words.
enum class PadForm : std::uint8_t { none, same, explicit_pads };

struct OnnxWindow {
  WindowAxis height, width;
  PadForm form = PadForm::none;
  bool over_steps = false;  // of a map of one row: linn's layers over steps take one number for each size

  Size2 size() const { return {height.size, width.size}; }
  Size2 strides() const { return over_steps ? Size2(width.stride) : Size2{height.stride, width.stride}; }
  Size2 dilation() const { return over_steps ? Size2(width.dilation) : Size2{height.dilation, width.dilation}; }
  bool is_dilated() const { return height.dilation > 1 || width.dilation > 1; }
  bool is_strided() const { return height.stride > 1 || width.stride > 1; }
  Pads2 pads() const { return {{height.before, height.after}, {width.before, width.after}}; }
  std::string_view padding() const { return form == PadForm::same ? "same" : "valid"; }
};

/// A list attribute with a number for each axis of the window, or two (pads), else `otherwise`. That of a window over steps gets the first number of
/// `otherwise` for the one row of its map; 1, a size, where that is empty.
std::vector<std::int64_t> list_of_axes(const Operation& op, std::string_view name, std::vector<std::int64_t> otherwise);

/// Reads auto_pad, pads, strides, dilations and ceil_mode. `size`: height and width of the window; `map`: of the map (height, width,
/// channels), Shape::none where open; (1, steps, channels) where the node's value is (N, C, steps). FormatError for what does not fit.
OnnxWindow read_window(const Operation& op, const std::vector<std::int64_t>& size, const Shape& map);

}  // namespace linn::detail::formats::onnx
