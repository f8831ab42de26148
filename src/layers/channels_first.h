// Images (channels, ...) for layers that compute on (..., channels).
#pragma once

#include "linn/shape.h"
#include "plan/lowering.h"

namespace linn::detail::layers {

/// (channels, height, width) -> (height, width, channels), of any rank; and back.
Shape channels_moved_last(const Shape& image);
Shape channels_moved_first(const Shape& image);
/// The value with its axes moved so.
plan::Value with_channels_last(plan::Lowering& to, plan::Value image);
plan::Value with_channels_first(plan::Lowering& to, plan::Value image);

}  // namespace linn::detail::layers
