// JPEG images, through libjpeg-turbo.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "io/image.h"
#include "linn/tensor.h"

namespace linn::detail::io {

/// The image as u8 of shape (height, width, 1) for grey and (height, width, 3) for colour. CMYK and YCCK become red, green and
/// blue without a colour profile. The orientation of an EXIF header is applied, so that the picture stands as cameras mean it;
/// a damaged EXIF header counts as none. Throws FormatError for damaged and truncated images.
Tensor read_jpeg(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits = {});
/// The sizes of that image, without its pixels. Throws FormatError as above for a damaged header.
ImageHeader read_jpeg_header(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits = {});

/// The orientation (1..8) that an EXIF block ("Exif\0\0" and what follows) names; 1 when there is none or it makes no sense.
int exif_orientation(std::span<const std::byte> block);

}  // namespace linn::detail::io
