#include "io/image.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/file.h"
#include "io/png.h"
#include "linn/data.h"

namespace linn {
namespace {

// Far above any image within the pixel limit that is not padded on purpose.
constexpr std::uint64_t largest_image_file = std::uint64_t{1} << 30;

}  // namespace

Tensor load_image(const std::string& path) {
  const detail::core::Bytes bytes = detail::io::read_file(path, largest_image_file);
  return detail::io::read_image(bytes, path);
}

void save_png(const std::string& path, const Tensor& image) { detail::io::write_png(path, image); }

}  // namespace linn
