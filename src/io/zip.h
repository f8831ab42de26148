// ZIP archives: a small bounded reader and writer over zlib (APPNOTE 6.3.10; stored and deflate, zip64, data descriptors).
// The reader takes an archive only if all its records tell the same story: every byte belongs to one member or to the
// directory, no two members overlap, share a name or leave a gap, and every local header agrees with the directory.
// Names are never used as paths here; those that could leave a folder are refused all the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "io/file.h"
#include "io/source.h"

namespace linn::detail::io {

/// What is refused before anything is inflated.
struct ZipLimits {
  std::uint64_t members = 100'000;
  std::uint64_t member_bytes = std::uint64_t{1} << 40;
  /// A bomb: more than `bomb_bytes` inflated and more than `bomb_ratio` times the compressed size. Asked of each member
  /// and of the archive as a whole.
  std::uint64_t bomb_bytes = std::uint64_t{256} << 20;
  std::uint64_t bomb_ratio = 100;
};

struct ZipMember {
  std::string name;
  bool deflated = false;
  std::uint32_t crc = 0;
  std::uint64_t compressed = 0;  // bytes in the archive
  std::uint64_t size = 0;        // bytes inflated
  std::uint64_t data = 0;        // offset of the first compressed byte

  bool directory() const { return name.ends_with('/'); }
};

class ZipReader {
 public:
  /// Checks the whole structure; inflates nothing. Throws FormatError with file, member and offset.
  /// The bytes must outlive the reader; `where` names the file.
  ZipReader(std::span<const std::byte> archive, std::string where, const ZipLimits& limits = {});

  /// In the order of the directory.
  const std::vector<ZipMember>& members() const { return members_; }
  const ZipMember* find(std::string_view name) const;
  /// The inflated bytes in order; `finish` compares the checksum.
  std::unique_ptr<Source> open(const ZipMember& member) const;
  /// All inflated bytes, checksum compared.
  core::Bytes read(const ZipMember& member) const;
  /// The bytes of a member that is not compressed, where they lie in the archive, checksum compared. ValueError for one that is.
  std::span<const std::byte> stored(const ZipMember& member) const;

  const std::string& where() const { return where_; }
  /// "FILE: member "NAME"", as messages begin.
  std::string where(const ZipMember& member) const;

 private:
  std::span<const std::byte> archive_;
  std::string where_;
  std::vector<ZipMember> members_;
};

/// Writes an archive in order. The time of every member is 1980-01-01, so that the same content gives the same bytes.
class ZipWriter {
 public:
  enum class Method { stored, deflated };

  /// `always_zip64` writes the 64-bit records even where sizes do not ask for them.
  explicit ZipWriter(Sink sink, bool always_zip64 = false) : sink_(std::move(sink)), always_zip64_(always_zip64) {}

  /// Adds a member made of `parts`, one behind the other. Throws ValueError for a name that the reader would refuse or that
  /// was added before.
  void add_parts(const std::string& name, std::span<const std::span<const std::byte>> parts, Method method = Method::stored);
  void add(const std::string& name, std::span<const std::byte> bytes, Method method = Method::stored) {
    add_parts(name, std::span(&bytes, 1), method);
  }
  /// Writes the directory. Nothing may be added afterwards.
  void finish();

 private:
  void put(std::span<const std::byte> bytes);

  Sink sink_;
  bool always_zip64_;
  std::uint64_t offset_ = 0;
  std::uint64_t count_ = 0;
  Writer directory_;
  std::unordered_set<std::string> names_;
};

}  // namespace linn::detail::io
