// Bytes of a file, taken in order and never past their end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/text.h"

namespace linn::detail::io {

static_assert(std::endian::native == std::endian::little, "linn is written for little-endian machines");

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads from memory. Every read that passes the end throws FormatError "WHERE: truncated at offset X, need Y bytes, Z are left".
class Reader {
 public:
  /// `where` names the file, and the member in it if there is one. `base` is the offset of bytes[0] in that file,
  /// added to every offset in messages.
  Reader(std::span<const std::byte> bytes, std::string where, std::uint64_t base = 0)
      : bytes_(bytes), where_(std::move(where)), base_(base) {}

  const std::string& where() const { return where_; }
  std::size_t size() const { return bytes_.size(); }
  /// Bytes taken so far.
  std::size_t offset() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  std::span<const std::byte> take(std::uint64_t count) {
    need(count);
    const auto part = bytes_.subspan(at_, static_cast<std::size_t>(count));
    at_ += part.size();
    return part;
  }
  void skip(std::uint64_t count) { take(count); }
  /// Goes to an offset, which may be the end but not past it.
  void seek(std::uint64_t offset) {
    if (offset > bytes_.size())
      format_error(where_, "truncated: offset {} is named, the end is at {}", base_ + offset, base_ + bytes_.size());
    at_ = static_cast<std::size_t>(offset);
  }

  std::uint8_t u8() { return std::to_integer<std::uint8_t>(take(1)[0]); }
  std::uint16_t le16() { return number<std::uint16_t>(false); }
  std::uint32_t le32() { return number<std::uint32_t>(false); }
  std::uint64_t le64() { return number<std::uint64_t>(false); }
  std::uint16_t be16() { return number<std::uint16_t>(true); }
  std::uint32_t be32() { return number<std::uint32_t>(true); }
  std::uint64_t be64() { return number<std::uint64_t>(true); }

 private:
  void need(std::uint64_t count) const {
    if (count > left()) format_error(where_, "truncated at offset {}, need {} bytes, {} are left", base_ + at_, count, left());
  }
  template <class T>
  T number(bool big) {
    const auto part = take(sizeof(T));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      const std::size_t from = big ? i : sizeof(T) - 1 - i;
      value = (value << 8) | std::to_integer<std::uint64_t>(part[from]);
    }
    return static_cast<T>(value);
  }

  std::span<const std::byte> bytes_;
  std::string where_;
  std::uint64_t base_;
  std::size_t at_ = 0;
};

/// Collects bytes, numbers in little-endian order.
class Writer {
 public:
  void bytes(std::span<const std::byte> part) { bytes_.insert(bytes_.end(), part.begin(), part.end()); }
  void text(std::string_view part) { bytes(bytes_of(part)); }
  void u8(std::uint8_t value) { bytes_.push_back(static_cast<std::byte>(value)); }
  void le16(std::uint16_t value) { number(value); }
  void le32(std::uint32_t value) { number(value); }
  void le64(std::uint64_t value) { number(value); }

  std::size_t size() const { return bytes_.size(); }
  std::span<const std::byte> view() const { return bytes_; }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  template <class T>
  void number(T value) {
    bytes(std::as_bytes(std::span(&value, 1)));
  }

  std::vector<std::byte> bytes_;
};

}  // namespace linn::detail::io
