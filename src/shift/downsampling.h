// The layers that take over a window's strides in a replacement plan: one row for each name of Downsampling.
#pragma once

#include <string_view>

#include "io/json.h"
#include "linn/fix.h"
#include "linn/shape.h"
#include "linn/types.h"
#include "shift/network.h"

namespace linn::shift {

struct DownsamplingRow {
  std::string_view class_name;
  /// Takes whole phases, of one choice for all maps that meet: circular shifts stay exact.
  bool polyphase = false;
  /// The strides must divide the map.
  bool divides = false;
  /// The blurs of a network keep their strides; a maximum and the blur behind it are one layer, MaxBlurPooling2D.
  bool keeps_blurs = false;
  /// Adds the options besides strides, for a map of these channels, with the first values of new variables.
  void (*configure)(detail::io::Json& config, const FixOptions& options, std::int64_t channels);
};

const DownsamplingRow& row_of(const Downsampling& with);

/// First values of a variable of the layer that no initializer of the configuration gives: those of "beta" of "ddac", with which it is the
/// blur of `filter_size` taps. Undefined where the configuration says all.
Tensor first_values(const Downsampling& with, std::string_view variable, const FixOptions& options, const Shape& shape);

}  // namespace linn::shift
