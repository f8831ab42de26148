// A folder of images that lasts as long as its test.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "io/test_files.h"
#include "io/zip.h"
#include "linn/data.h"

namespace linn::test {

class ImageFiles {
 public:
  void put(const std::string& path, const Tensor& image) const {
    make(path);
    save_png(dir_ / path, image);
  }
  void put(const std::string& path, const Bytes& content) const {
    make(path);
    spill(dir_ / path, content);
  }
  void folder(const std::string& path) const { std::filesystem::create_directories(dir_ / path); }
  std::string path() const { return dir_.path(); }
  // The same files in an archive.
  std::string zipped(const std::string& before = "", detail::io::ZipWriter::Method method = detail::io::ZipWriter::Method::deflated) const {
    Bytes file;
    detail::io::ZipWriter zip([&](std::span<const std::byte> part) { file.insert(file.end(), part.begin(), part.end()); });
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path()))
      if (entry.is_regular_file()) zip.add(before + std::filesystem::relative(entry.path(), path()).string(), slurp(entry.path()), method);
    zip.finish();
    spill(other_ / "images.zip", file);
    return other_ / "images.zip";
  }

 private:
  void make(const std::string& path) const { std::filesystem::create_directories(std::filesystem::path(dir_ / path).parent_path()); }
  TempDir dir_, other_;
};

}  // namespace linn::test
