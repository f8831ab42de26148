// Where tests find files: the source tree, or LINN_DATA for the data sets.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace linn::tests {

/// The top of the source tree that the tests were built from. Defined in source_tree.cc, the only file that is compiled with the path, so that a
/// compiler cache serves checkouts in other places too.
std::string source_dir();

inline std::string golden(const std::string& name) { return source_dir() + "/tests/golden/" + name; }

/// A file of the data folder: `data/` of the source tree, or the folder that LINN_DATA names.
inline std::string data_file(const std::string& name) {
  const char* folder = std::getenv("LINN_DATA");
  return (folder == nullptr ? source_dir() + "/data" : std::string(folder)) + '/' + name;
}

inline std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace linn::tests
