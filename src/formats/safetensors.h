// The bytes of a safetensors file: eight of length, a JSON header, the elements.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "linn/formats.h"

namespace linn::formats {

NamedTensors read_safetensors(std::span<const std::byte> bytes, const std::string& where, Metadata* metadata = nullptr);

}  // namespace linn::formats
