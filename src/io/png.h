// PNG images, through libpng.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "io/image.h"
#include "linn/tensor.h"

namespace linn::detail::io {

/// The image as u8 of shape (height, width, 1) for grey and (height, width, 3) for colour. Palettes become colours, 1, 2 and 4
/// bits are spread over 0..255, 16 bits are scaled to 8 with rounding. Transparent pixels are laid over white, in the file's
/// own values (no gamma). Of an animation (APNG) the default image is read. Throws FormatError for damaged and truncated
/// images, which includes every wrong checksum.
Tensor read_png(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits = {});
/// The sizes of that image, without its pixels. Throws FormatError as above for a damaged header.
ImageHeader read_png_header(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits = {});

/// The bytes of a PNG of a u8 tensor (H, W), (H, W, 1) or (H, W, 3). Throws ValueError or ShapeError for others.
std::vector<std::byte> encode_png(const Tensor& image);
/// Writes it, atomically.
void write_png(const std::string& path, const Tensor& image);

}  // namespace linn::detail::io
