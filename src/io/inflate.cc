#include "io/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "io/text.h"
#include "linn/error.h"

namespace linn::detail::io {
namespace {

// zlib counts in 32 bits.
constexpr std::size_t largest_piece = std::size_t{1} << 30;
constexpr std::uint64_t no_bound = std::numeric_limits<std::uint64_t>::max();

Bytef* zlib_bytes(const std::byte* bytes) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes));  // zlib 1.2 takes const input through a plain pointer
}

}  // namespace

struct Inflater::Stream {
  z_stream z{};
};

Inflater::Inflater(std::span<const std::byte> compressed, Container container, std::string where)
    : stream_(std::make_unique<Stream>()), compressed_(compressed), where_(std::move(where)) {
  const int window = container == Container::raw ? -15 : container == Container::zlib ? 15 : 15 + 16;
  if (inflateInit2(&stream_->z, window) != Z_OK) throw MemoryError(where_ + ": no memory to inflate it");
}

Inflater::~Inflater() { inflateEnd(&stream_->z); }

std::uint64_t Inflater::used() const { return given_ - stream_->z.avail_in; }

std::size_t Inflater::read(std::span<std::byte> to) {
  z_stream& z = stream_->z;
  std::size_t done = 0;
  // An empty `to` at the end of the data still lets zlib see the end of the stream.
  std::byte nothing{};
  while (!ended_) {
    if (z.avail_in == 0 && given_ < compressed_.size()) {
      const std::size_t piece = std::min(compressed_.size() - given_, largest_piece);
      z.next_in = zlib_bytes(compressed_.data() + given_);
      z.avail_in = static_cast<uInt>(piece);
      given_ += piece;
    }
    const std::size_t room = std::min(to.size() - done, largest_piece);
    z.next_out = zlib_bytes(room == 0 ? &nothing : to.data() + done);
    z.avail_out = static_cast<uInt>(room);
    const uInt in_before = z.avail_in;
    const int result = inflate(&z, Z_NO_FLUSH);
    const std::size_t made = room - z.avail_out;
    done += made;
    if (result == Z_STREAM_END) {
      ended_ = true;
      break;
    }
    if (result == Z_MEM_ERROR) throw MemoryError(where_ + ": no memory to inflate it");
    if (result == Z_NEED_DICT) format_error(where_, "compressed data at offset {} ask for a dictionary; none is allowed", used());
    if (result != Z_OK && result != Z_BUF_ERROR)
      format_error(where_, "compressed data are damaged near their offset {}: {}", used(), z.msg != nullptr ? z.msg : "invalid");
    if (done == to.size() && made == 0 && (result == Z_BUF_ERROR || in_before == z.avail_in)) break;  // full
    if (made == 0 && z.avail_in == 0 && given_ == compressed_.size()) {
      if (done == to.size()) break;
      format_error(where_, "truncated: the compressed data end at offset {} in the middle of their stream", used());
    }
  }
  return done;
}

GzipSource::GzipSource(std::span<const std::byte> compressed, std::string where)
    : Source(where), inflater_(compressed, Inflater::Container::gzip, std::move(where)), compressed_(compressed.size()) {}

std::uint64_t GzipSource::most_left() const {
  const std::uint64_t most = compressed_ > no_bound / deflate_ratio ? no_bound : compressed_ * deflate_ratio;
  return most - std::min(most, offset());
}

void GzipSource::fill(std::span<std::byte> to) {
  const std::size_t got = inflater_.read(to);
  if (got < to.size())
    format_error(where(), "truncated at offset {} (inflated), need {} bytes, {} are left", offset(), to.size(), got);
}

void GzipSource::finish() {
  std::byte extra{};
  if (!inflater_.ended() && inflater_.read({&extra, 1}) != 0)
    format_error(where(), "there are bytes too many: the data end at offset {} (inflated)", offset());
  if (inflater_.used() != compressed_)
    format_error(where(), "{} bytes follow the gzip stream, which ends at offset {}", compressed_ - inflater_.used(),
                 inflater_.used());
}

std::vector<std::byte> deflate(std::span<const std::span<const std::byte>> parts) {
  z_stream z{};
  if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw MemoryError("no memory to compress");
  struct Ender {
    z_stream* z;
    ~Ender() { deflateEnd(z); }
  } const ender{&z};
  std::vector<std::byte> result;
  std::vector<std::byte> piece(std::size_t{64} << 10);
  const auto run = [&](int flush) {
    int state = Z_OK;
    do {
      z.next_out = zlib_bytes(piece.data());
      z.avail_out = static_cast<uInt>(piece.size());
      state = ::deflate(&z, flush);
      result.insert(result.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(piece.size() - z.avail_out));
    } while (z.avail_out == 0 && state == Z_OK);
  };
  for (std::span<const std::byte> part : parts) {
    while (!part.empty()) {
      const std::size_t size = std::min(part.size(), largest_piece);
      z.next_in = zlib_bytes(part.data());
      z.avail_in = static_cast<uInt>(size);
      run(Z_NO_FLUSH);
      part = part.subspan(size);
    }
  }
  z.next_in = nullptr;
  z.avail_in = 0;
  run(Z_FINISH);
  return result;
}

}  // namespace linn::detail::io
