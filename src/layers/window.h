// What convolution and pooling share: a window over a map, checked and resolved, with messages that name the layer.
#pragma once

#include <string>
#include <string_view>

#include "kernels/geometry.h"
#include "layers/traits.h"
#include "linn/shape.h"
#include "linn/types.h"
#include "plan/ops/pad.h"
#include "schema/field.h"

namespace linn::detail::layers {

/// What is wrong with the padding of a convolution over maps: "causal", which Conv1D alone has; else an empty text.
std::string convolution_padding_fault(const Padding& padding);
/// Where the windows of a pooling lie: strides (unset: the pool size), padding, dilation_rate and ceil_mode, which all poolings share.
template <class O>
constexpr auto pool_fields() {
  return schema::all(
      schema::field("strides", &O::strides, schema::at_least(1), "Pixels from one window to the next; by default the window's size."),
      schema::field("padding", &O::padding,
                    "\"valid\", \"same\", or linn's own \"circular\", \"reflect\", \"replicate\", numbers of rows and columns, and {pads, border}."),
      schema::own("dilation_rate", &O::dilation_rate, schema::at_least(1), "Pixels from one cell of a window to the next; Keras has none."),
      schema::own("ceil_mode", &O::ceil_mode, "Whether the last window may reach beyond the end of the map, as in PyTorch; Keras has none."));
}

/// What is wrong with the padding of a pooling: "full" or "causal", which convolutions alone have; or ceil_mode without padding that leaves an end.
/// Else an empty text.
std::string pool_padding_fault(const Padding& padding, bool ceil_mode = false);
/// "(2, 2)".
std::string to_string(const Size2& size);
/// "padding "same"", as OnMap::border says it.
std::string border_text(const Padding& padding);

/// "((1, 1), (2, 3))".
std::string to_string(const Pads2& pads);

struct ResolvedWindow;

/// The trait of a layer with this window.
OnMap window_on_map(const ResolvedWindow& resolved, OnMap::Reduction reduction, std::string border);

/// The trait of a layer each of whose outputs sees the whole map round its ring, and that keeps every stride-th cell.
OnMap whole_ring(const Shape& input, const Size2& strides, OnMap::Reduction reduction);

struct WindowSpec {
  std::string_view field;  // "kernel_size" or "pool_size", for messages
  Size2 size, strides, dilation;
  Padding padding;
  bool ceil_mode = false;  // of poolings: the last window may reach beyond the end
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

/// Throws ShapeError unless a map of this size is larger than the pads that reflect it.
void check_reflection(const Shape& input, const kernels::Pads& pads, std::string_view field, std::string_view way_out, const std::string& where);
/// What the schemas of poolings share: strides that are left unset are the pool size, and the paddings that they take.
template <class Config>
struct PoolSchema {
  static void complete(Config& c) {
    if (!c.options.strides.is_set()) c.options.strides = c.pool_size;
  }
  static std::string fault(const Config& c) {
    if constexpr (requires { c.options.ceil_mode; }) return pool_padding_fault(c.options.padding, c.options.ceil_mode);
    return pool_padding_fault(c.options.padding);
  }
};
/// Whether an op of its own puts the pads around the map: those of "circular", "reflect", "replicate" and "full", and numbers with a border.
bool is_filled(const Padding& padding);
/// The mode of a padding op, of a border.
kernels::PadMode pad_mode(const BlurBorder& border);

/// For an input (height, width, channels). Throws ShapeError when the input is no such map or is smaller than the window.
ResolvedWindow resolve_window(const WindowSpec& window, const Shape& input, std::int64_t out_channels, std::int64_t groups,
                              const std::string& where);
/// Throws ShapeError unless the shape is (height, width, channels).
void check_map(const Shape& input, const std::string& where);

}  // namespace linn::detail::layers
