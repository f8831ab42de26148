// PNG: an image that reads, written and read again, is the same.
#include "io/png.h"

#include <cstring>

#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linn;
  fuzz::accept_errors([&] {
    const Tensor image = io::read_png(fuzz::bytes_of(data, size), "fuzz.png", {.pixels = 1 << 16});
    const Tensor back = io::read_png(io::encode_png(image), "again.png");
    fuzz::check(back.shape() == image.shape(), "the shape outlives a round trip");
    fuzz::check(std::memcmp(back.raw(), image.raw(), image.bytes()) == 0, "pixels outlive a round trip");
  });
  return 0;
}
