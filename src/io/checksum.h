// The checksums that ZIP archives, linn's model files, HDF5 files and event files carry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace linn::detail::io {

/// CRC-32 (ISO 3309, that of zlib) of the bytes behind those that gave `so_far`.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t so_far = 0);

/// CRC-32C (Castagnoli, RFC 3720, appendix B.4), which records of event files carry.
std::uint32_t crc32c(std::span<const std::byte> bytes);

/// Bob Jenkins's lookup3 (hashlittle, started with 0), which HDF5 keeps of its structures.
/// https://burtleburtle.net/bob/c/lookup3.c
std::uint32_t lookup3(std::span<const std::byte> bytes);

/// Fletcher's checksum of 16-bit big-endian words, which HDF5's filter fletcher32 keeps of a chunk.
std::uint32_t fletcher32(std::span<const std::byte> bytes);

}  // namespace linn::detail::io
