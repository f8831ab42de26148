// A model in a safetensors file: its variables, and its configuration as metadata. See docs/decisions/single-file-model.md.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "formats/model_file.h"

namespace linn::detail::formats {

ModelFile read_safetensors_model(std::span<const std::byte> bytes, const std::string& where);
void write_safetensors_model(const std::string& path, const SavedModel& model);
/// `directory`/model.safetensors, and config.json with the configuration again, for people and tools. Makes the directory if needed.
void write_model_directory(const std::string& directory, const SavedModel& model);

}  // namespace linn::detail::formats
