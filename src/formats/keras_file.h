// The .keras files of Keras 3: a ZIP archive of config.json, model.weights.h5 and, here, metadata.json and assets/linn_selftest.npz.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "formats/model_file.h"
#include "io/file.h"
#include "io/zip.h"

namespace linn::detail::formats {

/// Calls `use` with model.weights.h5 and where it is: in place where the archive stores it as it is, else inflated. FormatError where there
/// is none.
void use_weights(const io::ZipReader& zip, const std::function<void(std::span<const std::byte>, const std::string& where)>& use);

ModelFile read_keras(std::span<const std::byte> archive, const std::string& where);
/// The same files in a directory.
ModelFile read_keras_directory(const std::string& directory);
void write_keras(const io::Sink& sink, const SavedModel& model);

}  // namespace linn::detail::formats
