// Which images of a folder are for training, which for testing, and of which class each is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/file_tree.h"

namespace linn::detail::data {

/// One part of a data set: the images of its class folders, interleaved so that every stretch holds the classes in proportion.
struct ImagePart {
  /// The folder, "" where there is no such part.
  std::string folder;
  /// Indices into FileTree::files().
  std::vector<std::uint32_t> files;
  /// A class for each file; empty where the images lie in no class folders.
  std::vector<std::uint32_t> labels;

  bool empty() const { return files.empty(); }
  bool labelled() const { return !labels.empty(); }
};

struct ImageLayout {
  std::vector<std::string> class_names;
  ImagePart train, test;
  /// Whether there is a folder for training or for testing; without one `train` (images alone: `test`) holds everything.
  bool has_parts = false;
  /// What was left out: a sentence each.
  std::vector<std::string> notes;
};

/// Whether a file is an image by its name: .png, .jpg or .jpeg, in capital letters too.
bool is_image(std::string_view path);

/// Reads the layout off the paths; opens no file. Throws DataError where the folders make no sense.
ImageLayout layout_of(const FileTree& tree);

}  // namespace linn::detail::data
