// Checksums against published values, and against the definition where none are published.
#include "io/checksum.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>

#include "io/test_files.h"

namespace linn::detail::io {
namespace {

TEST(Checksum, PublishedValues) {
  // "check" of the catalogue of parametrised CRC algorithms.
  EXPECT_EQ(crc32(test::bytes("123456789")), 0xcbf43926U);
  EXPECT_EQ(crc32c(test::bytes("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32(test::bytes("6789"), crc32(test::bytes("12345"))), 0xcbf43926U) << "in two parts";
  EXPECT_EQ(crc32({}), 0U);
  EXPECT_EQ(crc32c({}), 0U);
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(test::Bytes(32, std::byte{0})), 0x8a9136aaU);
  EXPECT_EQ(crc32c(test::Bytes(32, std::byte{0xff})), 0x62a8ab43U);
  // driver5 of Jenkins's lookup3.c.
  EXPECT_EQ(lookup3({}), 0xdeadbeefU);
  EXPECT_EQ(lookup3(test::bytes("Four score and seven years ago")), 0x17770551U);
}

// Sums of 16-bit words, the first byte the high one, modulo 65535 where 0 is 65535, as HDF5 has them.
std::uint32_t fletcher32_by_definition(const test::Bytes& bytes) {
  std::uint64_t low = 0, high = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    low += std::to_integer<std::uint64_t>(bytes[i]) << 8 | (i + 1 < bytes.size() ? std::to_integer<std::uint64_t>(bytes[i + 1]) : 0);
    high += low;
  }
  const auto folded = [](std::uint64_t sum) { return static_cast<std::uint32_t>(sum == 0 ? 0 : (sum - 1) % 65535 + 1); };
  return folded(high) << 16 | folded(low);
}

TEST(Checksum, Fletcher32) {
  std::uint32_t state = 1;
  for (const std::size_t size : {0, 1, 2, 3, 10, 719, 720, 721, 1441, 5000}) {
    test::Bytes bytes(size);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>((state = state * 1664525U + 1013904223U) >> 24);
    EXPECT_EQ(fletcher32(bytes), fletcher32_by_definition(bytes)) << size << " bytes";
    const test::Bytes full(size, std::byte{0xff});
    EXPECT_EQ(fletcher32(full), fletcher32_by_definition(full)) << size << " bytes of 0xff";
  }
}

}  // namespace
}  // namespace linn::detail::io
