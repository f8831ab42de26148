// What a file is that is no model of linn's.
#pragma once

#include <string>

namespace linn::cli {

/// Throws FormatError, or IoError where it cannot be read: says what the file or directory `path` is, and what linn reads as a model.
[[noreturn]] void refuse_model(const std::string& path);
/// Whether a file begins as JSON does.
bool looks_like_json(const std::string& path);
/// Whether a directory holds a model of linn's.
bool holds_model(const std::string& directory);

}  // namespace linn::cli
