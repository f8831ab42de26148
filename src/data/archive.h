// The arrays of an .npz file, all or those that are wanted.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "linn/data.h"

namespace linn::detail::data {

struct NpzContent {
  /// The wanted arrays that are there. One with elements that cannot be loaded throws when it is asked for.
  Archive archive;
  /// Of all arrays in the file.
  std::vector<std::string> names;
};

struct ArchiveReader {
  /// Reads the arrays named `wanted`, or all where none are named. Members that are no arrays are passed over.
  /// Throws FormatError for damaged arrays, MemoryError, before any is read, where their declared sizes do not fit this machine.
  static NpzContent read(std::span<const std::byte> bytes, const std::string& path, std::span<const std::string_view> wanted = {});
};

}  // namespace linn::detail::data
