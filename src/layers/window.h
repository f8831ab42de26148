// What convolution and pooling share: a window over a map, checked and resolved, with messages that name the layer.
#pragma once

#include <string>
#include <string_view>

#include "kernels/geometry.h"
#include "layers/traits.h"
#include "linn/shape.h"
#include "linn/types.h"
#include "plan/ops/pad.h"

namespace linn::detail::layers {

/// What is wrong with the padding of a convolution over maps: "causal", which Conv1D alone has; else an empty text.
std::string convolution_padding_fault(const Padding& padding);
/// What is wrong with the padding of a pooling: "full" or "causal", which convolutions alone have; else an empty text.
std::string pool_padding_fault(const Padding& padding);
/// "(2, 2)".
std::string to_string(const Size2& size);
/// "padding "same"", as OnMap::border says it.
std::string border_text(const Padding& padding);

/// "((1, 1), (2, 3))".
std::string to_string(const Pads2& pads);

struct ResolvedWindow;

/// The trait of a layer with this window.
OnMap window_on_map(const ResolvedWindow& resolved, OnMap::Reduction reduction, std::string border);

struct WindowSpec {
  std::string_view field;  // "kernel_size" or "pool_size", for messages
  Size2 size, strides, dilation;
  Padding padding;
};

/// A window over a map that is padded first, by an op of its own, where `pads` are not none: the kernels of windows know zeros beyond the
/// border as "same" has them, and nothing else.
struct ResolvedWindow {
  kernels::Pads pads;
  kernels::PadMode mode = kernels::PadMode::zero;
  kernels::Geometry geometry;

  /// The map that `geometry` is of.
  plan::Value padded(plan::Lowering& to, plan::Value input) const { return plan::pad2d(to, input, pads, mode); }
};

/// For an input (height, width, channels). Throws ShapeError when the input is no such map or is smaller than the window.
ResolvedWindow resolve_window(const WindowSpec& window, const Shape& input, std::int64_t out_channels, std::int64_t groups,
                              const std::string& where);
/// Throws ShapeError unless the shape is (height, width, channels).
void check_map(const Shape& input, const std::string& where);

}  // namespace linn::detail::layers
