// The checksum that ZIP archives and linn's model files carry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace linn::io {

/// CRC-32 (ISO 3309, that of zlib) of the bytes behind those that gave `so_far`.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t so_far = 0);

}  // namespace linn::io
