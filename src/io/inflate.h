// Deflate streams, inflated bit by bit into memory that the caller owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/source.h"

namespace linn::detail::io {

/// One byte of deflate cannot stand for more than this many (258 bytes in two bits).
inline constexpr std::uint64_t deflate_ratio = 1032;

class Inflater {
 public:
  enum class Container { raw, zlib, gzip };

  /// `where` begins every message. The compressed bytes must outlive the object.
  Inflater(std::span<const std::byte> compressed, Container container, std::string where);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Fills `to` and returns its size, or fewer bytes at the end of the stream.
  /// Throws FormatError for a damaged or truncated stream; in a gzip stream the checksum is compared at its end.
  std::size_t read(std::span<std::byte> to);
  /// The end of the stream was reached.
  bool ended() const { return ended_; }
  /// Compressed bytes used so far.
  std::uint64_t used() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
  std::span<const std::byte> compressed_;
  std::size_t given_ = 0;  // compressed bytes handed to zlib
  std::string where_;
  bool ended_ = false;
};

/// A gzip file with one stream and nothing behind it.
class GzipSource final : public Source {
 public:
  GzipSource(std::span<const std::byte> compressed, std::string where);

  std::uint64_t most_left() const override;
  void finish() override;

 protected:
  void fill(std::span<std::byte> to) override;

 private:
  Inflater inflater_;
  std::uint64_t compressed_;
};

/// A raw deflate stream of `bytes`, compression level 6.
std::vector<std::byte> deflate(std::span<const std::span<const std::byte>> parts);

}  // namespace linn::detail::io
