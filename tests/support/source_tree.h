// Where tests find files: the source tree, or LINN_DATA for the data sets.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace linn::tests {

inline std::string golden(const std::string& name) { return std::string(LINN_SOURCE_DIR) + "/tests/golden/" + name; }

/// A file of the data folder: `data/` of the source tree, or the folder that LINN_DATA names.
inline std::string data_file(const std::string& name) {
  const char* folder = std::getenv("LINN_DATA");
  return (folder == nullptr ? std::string(LINN_SOURCE_DIR) + "/data" : std::string(folder)) + '/' + name;
}

inline std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace linn::tests
