#include "io/image.h"

#include <algorithm>
#include <string_view>

#include "io/bytes.h"
#include "io/jpeg.h"
#include "io/png.h"
#include "io/text.h"

namespace linn::detail::io {
namespace {

enum class ImageFormat { png, jpeg };

ImageFormat format_of(std::span<const std::byte> bytes, const std::string& where) {
  const std::string_view text = text_of(bytes.first(std::min<std::size_t>(bytes.size(), 8)));
  if (text == "\x89PNG\r\n\x1a\n") return ImageFormat::png;
  if (text.starts_with("\xff\xd8\xff")) return ImageFormat::jpeg;
  format_error(where, "is no PNG and no JPEG image: it begins with {}", text.empty() ? "nothing" : quote(text));
}

}  // namespace

Tensor read_image(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits) {
  return format_of(bytes, where) == ImageFormat::png ? read_png(bytes, where, limits) : read_jpeg(bytes, where, limits);
}

ImageHeader read_image_header(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits) {
  return format_of(bytes, where) == ImageFormat::png ? read_png_header(bytes, where, limits) : read_jpeg_header(bytes, where, limits);
}

}  // namespace linn::detail::io
