// A crop to proportions and a resize.
#pragma once

#include <cstdint>

#include "plan/lowering.h"

namespace linn::detail::layers {

/// The largest window of the proportions height : width in the middle of the map, resized bilinearly to (height, width); Keras's smart_resize.
plan::Value smart_resize(plan::Lowering& to, plan::Value input, std::int64_t height, std::int64_t width);

}  // namespace linn::detail::layers
