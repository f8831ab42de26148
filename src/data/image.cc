#include "io/bytes.h"
#include "io/file.h"
#include "io/jpeg.h"
#include "io/png.h"
#include "io/text.h"
#include "linn/data.h"

namespace linn {
namespace {

// Far above any image within the pixel limit that is not padded on purpose.
constexpr std::uint64_t largest_image_file = std::uint64_t{1} << 30;

}  // namespace

Tensor load_image(const std::string& path) {
  const std::vector<std::byte> bytes = io::read_file(path, largest_image_file);
  const std::string_view text = io::text_of(bytes);
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return io::read_png(bytes, path);
  if (text.starts_with("\xff\xd8\xff")) return io::read_jpeg(bytes, path);
  io::format_error(path, "is no PNG and no JPEG image: it begins with {}",
                   text.empty() ? "nothing" : io::quote(text.substr(0, 8)));
}

void save_png(const std::string& path, const Tensor& image) { io::write_png(path, image); }

}  // namespace linn
