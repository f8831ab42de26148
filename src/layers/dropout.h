// The mask of the dropout layers, which may be shared along some axes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "linn/axes.h"
#include "linn/shape.h"
#include "plan/lowering.h"

namespace linn::detail::layers {

/// Throws unless `noise_shape`, with the batch axis first, is one for images of this shape: 0 (own numbers) or 1 (shared) for each axis, or the
/// axis's size. The batch axis is 0: each image has a mask of its own.
void check_noise_shape(const std::optional<Sizes>& noise_shape, const Shape& input, const std::string& where);

/// Zero with probability `rate`, else scaled by 1 / (1 - rate); one draw along the shared axes. Only for training plans.
plan::Value dropped(plan::Lowering& to, plan::Value src, double rate, const std::optional<Sizes>& noise_shape, std::uint64_t seed);

}  // namespace linn::detail::layers
