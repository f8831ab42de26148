// The bytes of a safetensors file: eight of length, a JSON header, the elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/elements.h"
#include "linn/formats.h"
#include "linn/shape.h"

namespace linn::detail::formats {

/// Metadata key of the checksums: a JSON object, {"conv2d/kernel": "0a1b2c3d", ...}, the CRC-32 of each tensor's bytes and, as
/// "__metadata__", of the other metadata.
inline constexpr const char* checksum_key = "linn.crc32";
/// The metadata with the checksums of these tensors.
Metadata with_checksums(const NamedTensors& tensors, Metadata metadata);

/// What of a file's bytes is not as its checksums say: a sentence for each tensor, and one for the metadata.
struct ChecksumReport {
  bool has_checksums = false;
  std::vector<std::string> faults;
};
/// Looks at all tensors, where `read_safetensors` stops at the first fault. FormatError for bytes that are no safetensors file.
ChecksumReport compare_checksums(std::span<const std::byte> bytes, const std::string& where);

/// What a file says of its tensors before their bytes.
struct SafetensorsHeader {
  struct Entry {
    std::string name;
    io::FileType type;
    Shape shape;
    std::uint64_t begin = 0, end = 0;  // offsets in the data
  };
  std::vector<Entry> entries;  // in the order of their bytes
  Metadata metadata;
  std::uint64_t data = 0;  // where the data begin
};
/// Reads nothing but the header of a file.
SafetensorsHeader read_safetensors_header(const std::string& path);

/// Verifies the checksums where there are some, and leaves them out of `metadata`: they are of this file alone.
NamedTensors read_safetensors(std::span<const std::byte> bytes, const std::string& where, Metadata* metadata = nullptr);

}  // namespace linn::detail::formats
