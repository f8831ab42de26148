// PNG: an image that reads, written and read again, is the same. Each input is tried as it is and with its checksums made right,
// which random changes would never get past.
#include "io/png.h"

#include <zlib.h>

#include <cstring>
#include <vector>

#include "check.h"

namespace {

void read(std::span<const std::byte> bytes) {
  using namespace linn;
  fuzz::accept_errors([&] {
    const Tensor image = detail::io::read_png(bytes, "fuzz.png", {.pixels = 1 << 16});
    const detail::io::ImageHeader header = detail::io::read_png_header(bytes, "fuzz.png", {.pixels = 1 << 16});
    fuzz::check(image.shape() == Shape{header.height, header.width, header.channels}, "the header says what the image is");
    const Tensor back = detail::io::read_png(detail::io::encode_png(image), "again.png");
    fuzz::check(back.shape() == image.shape(), "the shape outlives a round trip");
    fuzz::check(std::memcmp(back.raw(), image.raw(), image.bytes()) == 0, "pixels outlive a round trip");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read(linn::fuzz::bytes_of(data, size));
  std::vector<std::uint8_t> repaired(data, data + size);
  // After the eight bytes of the signature: length, kind, data, checksum of kind and data.
  for (std::size_t at = 8; at + 12 <= size;) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | repaired[at + i];
    if (length > size - at - 12) break;
    const auto crc = static_cast<std::uint32_t>(crc32_z(0, repaired.data() + at + 4, length + 4));
    for (std::size_t i = 0; i < 4; ++i) repaired[at + 8 + length + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
    at += 12 + length;
  }
  read(linn::fuzz::bytes_of(repaired.data(), repaired.size()));
  return 0;
}
