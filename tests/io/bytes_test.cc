#include "io/bytes.h"

#include "io/source.h"
#include "io/test_files.h"

namespace linn::detail::io {
namespace {

using test::bytes;
using test::expect_error;

TEST(Reader, NumbersInBothOrders) {
  const auto content = bytes("\x01\x02\x03\x04\x05\x06\x07\xf8");
  Reader reader(content, "F");
  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.offset(), 1u);
  EXPECT_EQ(reader.left(), 7u);
  reader.seek(0);
  EXPECT_EQ(reader.le16(), 0x0201);
  reader.seek(0);
  EXPECT_EQ(reader.le32(), 0x04030201u);
  reader.seek(0);
  EXPECT_EQ(reader.le64(), 0xf807060504030201u);
  reader.seek(0);
  EXPECT_EQ(reader.be16(), 0x0102);
  reader.seek(0);
  EXPECT_EQ(reader.be32(), 0x01020304u);
  reader.seek(0);
  EXPECT_EQ(reader.be64(), 0x01020304050607f8u);
  EXPECT_EQ(reader.left(), 0u);
}

TEST(Reader, NeverPassesTheEnd) {
  const auto content = bytes("abc");
  Reader reader(content, "FILE: member \"m\"", 100);
  reader.skip(1);
  expect_error<FormatError>([&] { reader.le32(); }, {"FILE: member \"m\": truncated at offset 101, need 4 bytes, 2 are left"});
  expect_error<FormatError>([&] { reader.take(~std::uint64_t{0}); }, {"truncated"});
  expect_error<FormatError>([&] { reader.seek(4); }, {"offset 104"});
  EXPECT_EQ(reader.offset(), 1u);  // a failed read takes nothing
  EXPECT_EQ(text_of(reader.take(2)), "bc");
  EXPECT_EQ(reader.take(0).size(), 0u);
}

TEST(Quote, MakesTextHarmless) {
  EXPECT_EQ(quote("plain"), "\"plain\"");
  EXPECT_EQ(quote("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(quote(std::string_view("\x1b[31m\0\xff", 7)), "\"\\x1b[31m\\x00\\xff\"");
  EXPECT_EQ(quote(std::string(100, 'x'), 3), "\"xxx\"... (100 bytes)");
}

TEST(MemorySource, CountsAndEnds) {
  const auto content = bytes("abcd");
  MemorySource source(content, "F");
  std::array<std::byte, 3> part;
  source.read(part);
  EXPECT_EQ(text_of(part), "abc");
  EXPECT_EQ(source.most_left(), 1u);
  expect_error<FormatError>([&] { source.read(part); }, {"F: truncated at offset 3, need 3 bytes, 1 are left"});
  expect_error<FormatError>([&] { source.finish(); }, {"1 bytes too many"});
  source.read(std::span(part).first(1));
  source.finish();
}

}  // namespace
}  // namespace linn::detail::io
