// JPEG: an image or an error; the size of the image is what its limit allows.
#include "io/jpeg.h"

#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linn;
  fuzz::accept_errors([&] {
    const Tensor image = detail::io::read_jpeg(fuzz::bytes_of(data, size), "fuzz.jpg", {.pixels = 1 << 16});
    const detail::io::ImageHeader header = detail::io::read_jpeg_header(fuzz::bytes_of(data, size), "fuzz.jpg", {.pixels = 1 << 16});
    fuzz::check(image.shape() == Shape{header.height, header.width, header.channels}, "the header says what the image is");
    fuzz::check(image.shape().rank() == 3 && image.elements() <= 3 << 16, "the image keeps its limit");
    fuzz::check(image.shape()[2] == 1 || image.shape()[2] == 3, "grey or colour");
  });
  fuzz::accept_errors([&] {
    const int orientation = detail::io::exif_orientation(fuzz::bytes_of(data, size));
    fuzz::check(orientation >= 1 && orientation <= 8, "an orientation is 1 to 8");
  });
  return 0;
}
