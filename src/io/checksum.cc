#include "io/checksum.h"

#include <zlib.h>

#include <algorithm>
#include <bit>

namespace linn::detail::io {
namespace {

/// The three words of lookup3's state.
struct Lookup3 {
  std::uint32_t a, b, c;

  void mix() {
    const auto step = [](std::uint32_t& x, std::uint32_t& y, std::uint32_t z, int bits) {
      x -= y;
      x ^= std::rotl(y, bits);
      y += z;
    };
    step(a, c, b, 4);
    step(b, a, c, 6);
    step(c, b, a, 8);
    step(a, c, b, 16);
    step(b, a, c, 19);
    step(c, b, a, 4);
  }
  void finish() {
    const auto step = [](std::uint32_t& x, std::uint32_t y, int bits) {
      x ^= y;
      x -= std::rotl(y, bits);
    };
    step(c, b, 14);
    step(a, c, 11);
    step(b, a, 25);
    step(c, b, 16);
    step(a, c, 4);
    step(b, a, 14);
    step(c, b, 24);
  }
  /// Adds up to 12 bytes to the words, in little-endian order.
  void add(std::span<const std::byte> bytes) {
    std::uint32_t* const words[] = {&a, &b, &c};
    for (std::size_t i = 0; i < bytes.size(); ++i) *words[i / 4] += std::to_integer<std::uint32_t>(bytes[i]) << (i % 4 * 8);
  }
};

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t so_far) {
  return static_cast<std::uint32_t>(::crc32_z(so_far, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::uint32_t crc32c(std::span<const std::byte> bytes) {
  constexpr std::uint32_t polynomial = 0x82f63b78;  // with its bits reversed
  std::uint32_t sum = 0xffffffff;
  for (const std::byte byte : bytes) {
    sum ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? polynomial : 0);
  }
  return ~sum;
}

std::uint32_t lookup3(std::span<const std::byte> bytes) {
  const std::uint32_t start = 0xdeadbeef + static_cast<std::uint32_t>(bytes.size());
  Lookup3 state{start, start, start};
  while (bytes.size() > 12) {
    state.add(bytes.first(12));
    state.mix();
    bytes = bytes.subspan(12);
  }
  if (bytes.empty()) return state.c;
  state.add(bytes);
  state.finish();
  return state.c;
}

std::uint32_t fletcher32(std::span<const std::byte> bytes) {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  const auto fold = [](std::uint32_t sum) { return (sum & 0xffff) + (sum >> 16); };
  while (!bytes.empty()) {
    // So many words cannot overflow 32 bits.
    const auto part = bytes.first(std::min<std::size_t>(bytes.size(), 720));
    for (std::size_t i = 0; i < part.size(); i += 2) {
      low += std::to_integer<std::uint32_t>(part[i]) << 8;
      if (i + 1 < part.size()) low += std::to_integer<std::uint32_t>(part[i + 1]);
      high += low;
    }
    low = fold(low);
    high = fold(high);
    bytes = bytes.subspan(part.size());
  }
  return (fold(high) << 16) | fold(low);
}

}  // namespace linn::detail::io
