// The .keras files of Keras 3: a ZIP archive of config.json, model.weights.h5 and, here, metadata.json and assets/linn_selftest.npz.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "formats/model_file.h"
#include "io/file.h"

namespace linn::formats {

ModelFile read_keras(std::span<const std::byte> archive, const std::string& where);
/// The same files in a directory.
ModelFile read_keras_directory(const std::string& directory);
void write_keras(const io::Sink& sink, const SavedModel& model);

}  // namespace linn::formats
