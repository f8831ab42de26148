// Images told apart by their first bytes, and what the two readers share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "linn/tensor.h"

namespace linn::detail::io {

/// Larger images are refused by their header, before memory is taken for them.
struct ImageLimits {
  std::uint64_t pixels = std::uint64_t{64} << 20;
};

/// Sizes of the image that the reader returns, from the header alone: orientation applied, 1 channel for grey, 3 for colour.
struct ImageHeader {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;

  friend bool operator==(const ImageHeader&, const ImageHeader&) = default;
};

/// A PNG or JPEG image as u8 of shape (height, width, channels). Throws FormatError for other and for damaged files.
Tensor read_image(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits = {});
/// Decodes no pixel. Throws FormatError for other files and damaged headers.
ImageHeader read_image_header(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits = {});

}  // namespace linn::detail::io
