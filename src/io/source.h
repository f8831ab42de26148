// Where the bytes of an array come from: memory, a compressed member of an archive, a gzip file.
// An array is read straight into its tensor, so that loading needs the file and the tensor, and nothing in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "io/bytes.h"

namespace linn::detail::io {

class Source {
 public:
  explicit Source(std::string where) : where_(std::move(where)) {}
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// The file, and the member in it if there is one: the beginning of every message.
  const std::string& where() const { return where_; }
  /// Bytes read so far.
  std::uint64_t offset() const { return offset_; }
  /// No more than these can follow. Exact for memory; for compressed data what was declared, or what the
  /// compressed bytes could hold at the very most. Checked before anything is allocated.
  virtual std::uint64_t most_left() const = 0;
  /// Fills `to`, or throws FormatError when fewer bytes follow.
  void read(std::span<std::byte> to) {
    if (to.size() > most_left())
      format_error(where_, "truncated at offset {}, need {} bytes, {} are left", offset_, to.size(), most_left());
    fill(to);
    offset_ += to.size();
  }
  /// Throws FormatError unless the end was reached and, where there is a checksum, it holds.
  virtual void finish() = 0;

 protected:
  virtual void fill(std::span<std::byte> to) = 0;

 private:
  std::string where_;
  std::uint64_t offset_ = 0;
};

class MemorySource final : public Source {
 public:
  MemorySource(std::span<const std::byte> bytes, std::string where) : Source(std::move(where)), bytes_(bytes) {}

  std::uint64_t most_left() const override { return bytes_.size() - offset(); }
  void finish() override {
    if (most_left() > 0) format_error(where(), "{} bytes too many: the data end at offset {}", most_left(), offset());
  }

 protected:
  void fill(std::span<std::byte> to) override {
    if (!to.empty()) std::memcpy(to.data(), bytes_.data() + offset(), to.size());
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace linn::detail::io
