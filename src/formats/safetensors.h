// The bytes of a safetensors file: eight of length, a JSON header, the elements.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "linn/formats.h"

namespace linn::formats {

/// Metadata key of the checksums: a JSON object, {"conv2d/kernel": "0a1b2c3d", ...}, the CRC-32 of each tensor's bytes and, as
/// "__metadata__", of the other metadata.
inline constexpr const char* checksum_key = "linn.crc32";
/// The metadata with the checksums of these tensors.
Metadata with_checksums(const NamedTensors& tensors, Metadata metadata);

/// Verifies the checksums where there are some, and leaves them out of `metadata`: they are of this file alone.
NamedTensors read_safetensors(std::span<const std::byte> bytes, const std::string& where, Metadata* metadata = nullptr);

}  // namespace linn::formats
