#include "io/checksum.h"

#include <zlib.h>

namespace linn::io {

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t so_far) {
  return static_cast<std::uint32_t>(::crc32_z(so_far, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace linn::io
