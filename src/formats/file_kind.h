// What a file is, by what it begins with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace linn::detail::formats {

enum class FileKind : std::uint8_t {
  model_directory,  // linn's: model.safetensors is in it
  keras_directory,  // a .keras file unpacked: config.json and model.weights.h5
  keras,            // a ZIP archive with config.json
  hdf5,             // a legacy .h5 model, or weights
  shards,           // a .weights.json
  safetensors,
  onnx,
  npz,
  json,
  other,
};

/// IoError where there is no such file, or it is no file and no directory of a model.
FileKind kind_of(const std::string& path);

/// For messages: "an HDF5 file", "a PyTorch file"; empty for files of unknown kinds.
std::string_view description_of(const std::string& path);

/// Throws FormatError: says what the file is, and what `wanted` ("a model") may be.
[[noreturn]] void refuse(const std::string& path, std::string_view wanted, std::string_view allowed);

/// Whether a directory holds a model of linn's.
bool holds_model(const std::string& directory);

/// The last checkpoint of a training, and the one before it, in its directory (train/checkpoint.h).
inline constexpr const char *checkpoint_name = "checkpoint.safetensors", *previous_checkpoint_name = "checkpoint.previous.safetensors";
bool holds_checkpoint(const std::string& directory);

}  // namespace linn::detail::formats
