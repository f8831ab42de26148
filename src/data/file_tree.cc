#include "data/file_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "data/text_arena.h"
#include "io/file.h"
#include "io/text.h"
#include "io/zip.h"
#include "linn/error.h"

namespace linn::detail::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest_file = std::uint64_t{1} << 30;

bool is_hidden(std::string_view name) {
  static constexpr std::array<std::string_view, 3> left_behind = {"thumbs.db", "desktop.ini", "__macosx"};
  return name.starts_with('.') || std::find(left_behind.begin(), left_behind.end(), io::lower_case(name)) != left_behind.end();
}

class DirectoryTree final : public FileTree {
 public:
  explicit DirectoryTree(const std::string& path) : FileTree(path) {
    walk("", 1);
    std::sort(files_.begin(), files_.end());
    std::sort(folders_.begin(), folders_.end());
  }

  core::Bytes read(std::size_t i) const override { return io::read_file(where(i), largest_file); }
  std::string where(std::size_t i) const override { return fmt::format("{}{}{}", root_, root_.ends_with('/') ? "" : "/", files_[i]); }

 private:
  // A link further down could lead back up, and a walk through it would not end.
  static constexpr int deepest_link = 2;
  static constexpr int deepest = 64;

  void walk(const std::string& below, int depth) {
    const std::string folder = below.empty() ? root_ : root_ + "/" + below;
    const std::string prefix = below.empty() ? "" : below + "/";
    if (depth > deepest) throw IoError(fmt::format("{}: folders are nested more than {} deep", folder, deepest));
    std::error_code error;
    fs::directory_iterator entries(folder, error);
    if (error) throw IoError(fmt::format("{}: the directory cannot be read: {}", folder, error.message()));
    for (; entries != fs::directory_iterator(); entries.increment(error)) {
      if (error) throw IoError(fmt::format("{}: the directory cannot be read: {}", folder, error.message()));
      const std::string& entry = entries->path().native();
      const std::string_view name = std::string_view(entry).substr(entry.rfind('/') + 1);
      if (is_hidden(name)) continue;
      const bool link = entries->is_symlink(error);
      if (entries->is_directory(error)) {
        if (link && depth > deepest_link) continue;
        folders_.push_back(prefix + std::string(name));
        walk(std::string(folders_.back()), depth + 1);
      } else {
        files_.push_back(names_.put(prefix, name));
      }
    }
  }

  TextArena names_;
};

class ZipTree final : public FileTree {
 public:
  ZipTree(core::Bytes bytes, const std::string& path) : FileTree(path), bytes_(std::move(bytes)), zip_(bytes_, path, limits()) {
    std::set<std::string> folders;
    std::vector<std::pair<std::string_view, const io::ZipMember*>> files;
    for (const io::ZipMember& member : zip_.members()) {
      const std::string& name = member.name;
      bool hidden = false;
      for (std::size_t at = 0; at < name.size() && !hidden;) {
        const std::size_t slash = std::min(name.find('/', at), name.size());
        hidden = is_hidden(std::string_view(name).substr(at, slash - at));
        if (!hidden && slash < name.size()) folders.insert(name.substr(0, slash));
        at = slash + 1;
      }
      if (!hidden && !member.directory()) files.emplace_back(name, &member);
    }
    std::sort(files.begin(), files.end());
    for (const auto& [name, member] : files) {
      files_.push_back(name);
      members_.push_back(member);
    }
    folders_.assign(folders.begin(), folders.end());
  }

  core::Bytes read(std::size_t i) const override { return zip_.read(*members_[i]); }
  std::string where(std::size_t i) const override { return zip_.where(*members_[i]); }

 private:
  static io::ZipLimits limits() {
    io::ZipLimits limits;
    // Each member takes at least 76 bytes of the file, so the file bounds what the list of members needs.
    limits.members = 10'000'000;
    limits.member_bytes = largest_file;
    return limits;
  }

  core::Bytes bytes_;
  io::ZipReader zip_;
  std::vector<const io::ZipMember*> members_;
};

}  // namespace

std::unique_ptr<FileTree> open_directory(const std::string& path) { return std::make_unique<DirectoryTree>(path); }

std::unique_ptr<FileTree> open_zip(core::Bytes bytes, const std::string& path) {
  return std::make_unique<ZipTree>(std::move(bytes), path);
}

}  // namespace linn::detail::data
