// The files below a folder, whether it lies on a disk or in a ZIP archive.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/memory.h"

namespace linn::detail::data {

/// Reading is thread-safe.
class FileTree {
 public:
  virtual ~FileTree() = default;

  /// Files by their path below the folder, with '/' between its parts, in the order of their bytes. Hidden files, those in hidden
  /// folders, and what systems leave behind (Thumbs.db, desktop.ini, __MACOSX) are not among them. The texts live as long as the tree;
  /// a million of them take 16 MB and their characters.
  const std::vector<std::string_view>& files() const { return files_; }
  /// Folders, in the same way, empty ones too.
  const std::vector<std::string>& folders() const { return folders_; }
  /// The folder or archive itself.
  const std::string& root() const { return root_; }

  /// All bytes of files()[i]. Throws IoError or FormatError that names the file.
  virtual core::Bytes read(std::size_t i) const = 0;
  /// "FOLDER/a/b.png", or `FILE.zip: member "a/b.png"`, as messages begin.
  virtual std::string where(std::size_t i) const = 0;

 protected:
  explicit FileTree(std::string root) : root_(std::move(root)) {}

  std::string root_;
  std::vector<std::string_view> files_;
  std::vector<std::string> folders_;
};

/// A directory; symbolic links to files and, in its first two levels, to directories are followed. Throws IoError, also for folders
/// nested more than 64 deep.
std::unique_ptr<FileTree> open_directory(const std::string& path);
/// The bytes of a ZIP archive. Throws FormatError.
std::unique_ptr<FileTree> open_zip(core::Bytes bytes, const std::string& path);

}  // namespace linn::detail::data
