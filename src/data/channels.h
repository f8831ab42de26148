// Grey from colour, colour from grey.
#pragma once

#include <cstdint>
#include <span>

#include "linn/tensor.h"

namespace linn::detail::data {

/// Copies pixels of `from_channels` bytes to pixels of `to_channels` bytes, 1 or 3 each. Colour becomes grey by Rec. 601,
/// (299 red + 587 green + 114 blue + 500) / 1000; grey is repeated.
void convert_channels(std::span<const std::uint8_t> from, std::int64_t from_channels, std::span<std::uint8_t> to, std::int64_t to_channels);

/// A uint8 image (height, width, 1 or 3) with 1 or 3 channels; the image itself where it has as many.
Tensor with_channels(const Tensor& image, std::int64_t channels);

}  // namespace linn::detail::data
