// What a layer does to a map and what kind of values leave it. The shift lab, certificates and fixes read these traits, never a class name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "linn/activations.h"
#include "linn/types.h"

namespace linn::detail::layers {

/// What one call of a layer does in inference to a map (height, width, channels) or, where it says so, to a row. A layer that says nothing
/// is opaque: every reader then reports "not known".
///
/// | kind        | the output                                                                                | fields that count       |
/// |-------------|-------------------------------------------------------------------------------------------|-------------------------|
/// | opaque      | nothing is known                                                                          |                         |
/// | elementwise | each number by itself, the same function for all numbers, on maps and rows                |                         |
/// | pointwise   | each cell by itself: all its channels together, the same function for all cells           |                         |
/// | window      | each cell from one window of the input                                                    | all                     |
/// | pad         | the input with cells put around it (pads) or cut off (negative pads)                      | pads, fill, border      |
/// | global      | each channel's value over the whole map, for one place: (channels) or (1, 1, channels)    | reduction               |
/// | polyphase   | one of the phases of the map, chosen by its contents; `strides` divide the map            | strides                 |
/// | flatten     | the same numbers as a row, row-major                                                      |                         |
/// | resize      | a map of another resolution whose cells are not windows of the input's                    |                         |
///
/// Of several inputs, cells at one place belong together (elementwise, pointwise); the other kinds have one input.
struct OnMap {
  enum Kind : std::uint8_t { opaque, elementwise, pointwise, window, pad, global, polyphase, flatten, resize };
  /// What a window or a global pooling takes of its cells. `blur`: a low-pass filter, fixed or made from the map; `max_blur`: a fixed one of
  /// maxima; `general`: another function, the same for all windows.
  enum Reduction : std::uint8_t { weighted_sum, mean, maximum, blur, max_blur, general };
  /// What the pads hold.
  enum Fill : std::uint8_t { zeros, circular, mirrored };

  Kind kind = opaque;
  Reduction reduction = weighted_sum;
  Size2 size = {1, 1};  // cells of a window, before dilation
  Size2 strides = {1, 1};
  Size2 dilation = {1, 1};
  Pads2 pads = {};
  Fill fill = zeros;
  std::string border = {};  // the option that decides pads and fill, for messages: padding "same"
};

/// What the last thing that a layer does makes of its values. `unchanged`: they are of the kind that came in. `other`: none of these kinds.
enum class ActivationKind : std::uint8_t { other, unchanged, linear, relu, sigmoid, log_sigmoid, softmax, log_softmax };

ActivationKind kind_of(const ActivationFunction& activation);
/// What the activation does to an image of so many axes.
OnMap on_map_of(const ActivationFunction& activation, std::size_t rank);
/// What a layer does that applies the activation to the map it has made: nothing is known where the activation mixes cells.
OnMap followed_by(const ActivationFunction& activation, OnMap layer);

}  // namespace linn::detail::layers
