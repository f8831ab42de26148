#include "io/zip.h"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "io/inflate.h"
#include "io/test_files.h"

namespace linn::detail::io {
namespace {

using test::bytes;
using test::Bytes;
using test::expect_error;
using test::kept;
using test::slurp;

const std::string text20 = [] {
  std::string text;
  for (int i = 0; i < 20; ++i) text += "linn ";
  return text;
}();

std::vector<std::pair<std::string, std::string>> contents(std::span<const std::byte> archive, const ZipLimits& limits = {}) {
  const ZipReader zip(archive, "some.zip", limits);
  std::vector<std::pair<std::string, std::string>> result;
  for (const ZipMember& member : zip.members()) result.emplace_back(member.name, text_of(zip.read(member)));
  return result;
}

void zip_refuses(const Bytes& archive, std::initializer_list<std::string_view> parts, const ZipLimits& limits = {}) {
  expect_error<FormatError>([&] { contents(archive, limits); }, parts);
  expect_error<FormatError>([&] { contents(archive, limits); }, {"some.zip"});
}

Bytes written(const std::vector<std::pair<std::string, std::string>>& members, ZipWriter::Method method, bool zip64 = false) {
  Bytes result;
  ZipWriter zip([&](std::span<const std::byte> part) { result.insert(result.end(), part.begin(), part.end()); }, zip64);
  for (const auto& [name, content] : members) zip.add(name, bytes_of(content), method);
  zip.finish();
  return result;
}

// Offsets of a signature in the archive.
std::vector<std::size_t> find_all(const Bytes& archive, std::string_view signature) {
  std::vector<std::size_t> result;
  const std::string_view all = text_of(archive);
  for (auto at = all.find(signature); at != std::string_view::npos; at = all.find(signature, at + 1)) result.push_back(at);
  return result;
}
constexpr std::string_view local_mark("PK\x03\x04", 4);
constexpr std::string_view directory_mark("PK\x01\x02", 4);
constexpr std::string_view end_mark("PK\x05\x06", 4);

template <class T>
void put_in_zip(Bytes& archive, std::size_t at, T value) {
  std::memcpy(archive.data() + at, &value, sizeof value);
}

TEST(Zip, ReadsWhatPythonWrites) {
  const std::vector<std::pair<std::string, std::string>> four = {{"folder/member0.txt", text20},
                                                                 {"folder/member1.txt", text20},
                                                                 {"folder/", ""},
                                                                 {"\xc3\xbc"
                                                                  "ber.txt",
                                                                  ""}};
  for (const char* name : {"plain.zip", "comment.zip", "descriptor.zip"})
    EXPECT_EQ(contents(slurp(kept("io", name))), four) << name;
  const std::vector<std::pair<std::string, std::string>> two = {{"a.txt", text20}, {"b.txt", text20}};
  EXPECT_EQ(contents(slurp(kept("io", "descriptor64.zip"))), two);
  EXPECT_EQ(contents(slurp(kept("io", "all64.zip"))), two);
  EXPECT_EQ(contents(slurp(kept("io", "local64.zip"))), (std::vector<std::pair<std::string, std::string>>{{"a.txt", text20}}));
  EXPECT_TRUE(contents(slurp(kept("io", "none.zip"))).empty());
}

TEST(Zip, FindsByName) {
  const Bytes archive = slurp(kept("io", "plain.zip"));
  const ZipReader zip(archive, "some.zip");
  ASSERT_NE(zip.find("folder/member1.txt"), nullptr);
  EXPECT_TRUE(zip.find("folder/member1.txt")->deflated);
  EXPECT_EQ(zip.find("folder/member1.txt")->size, text20.size());
  EXPECT_TRUE(zip.find("folder/")->directory());
  EXPECT_EQ(zip.find("member1.txt"), nullptr);
}

TEST(Zip, RoundTrip) {
  EXPECT_TRUE(rc::check([] {
    std::vector<std::pair<std::string, std::string>> members;
    const int count = *rc::gen::inRange(0, 6);
    for (int i = 0; i < count; ++i) members.emplace_back(fmt::format("dir/{}.bin", i), *rc::gen::arbitrary<std::string>());
    for (const auto method : {ZipWriter::Method::stored, ZipWriter::Method::deflated})
      for (const bool zip64 : {false, true}) RC_ASSERT(contents(written(members, method, zip64)) == members);
  }));
}

TEST(Zip, PythonReadsWhatWeWrite) {
  if (std::system("python3 -c 'import zipfile' 2>/dev/null") != 0) GTEST_SKIP() << "no python3 here";
  const test::TempDir dir;
  for (const auto method : {ZipWriter::Method::stored, ZipWriter::Method::deflated}) {
    for (const bool zip64 : {false, true}) {
      test::spill(dir / "a.zip", written({{"a.txt", text20}, {"b/\xc3\xbc.txt", ""}}, method, zip64));
      const std::string program =
          "import zipfile, sys; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; "
          "assert z.namelist() == ['a.txt', 'b/\\u00fc.txt']; assert z.read('a.txt') == b'linn ' * 20; "
          "assert z.read('b/\\u00fc.txt') == b''; assert z.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)";
      EXPECT_EQ(std::system(fmt::format("python3 -c \"{}\" '{}'", program, dir / "a.zip").c_str()), 0);
    }
  }
}

TEST(Zip, SameContentSameBytes) {
  EXPECT_EQ(written({{"a", text20}}, ZipWriter::Method::deflated), written({{"a", text20}}, ZipWriter::Method::deflated));
}

TEST(Zip, WriterRefusesNamesThatTheReaderWould) {
  ZipWriter zip([](std::span<const std::byte>) {});
  for (const std::string& name : {std::string(), std::string("../x"), std::string("/x"), std::string("a\\b"), std::string("C:x"),
                                  std::string("a\0b", 3), std::string("a/../b"), std::string("a//b"), std::string(70'000, 'x')})
    EXPECT_THROW(zip.add(name, {}), ValueError) << quote(name);
  zip.add("x", {});
  expect_error<ValueError>([&] { zip.add("x", {}); }, {"two members", "\"x\""});
}

TEST(Zip, EveryTruncation) {
  for (const char* name : {"plain.zip", "comment.zip", "descriptor.zip", "all64.zip"})
    test::every_truncation_fails(slurp(kept("io", name)), [](auto part) { contents(part); });
}

TEST(Zip, EveryBitFlipIsAnErrorOrTheSameContent) {
  for (const char* name : {"plain.zip", "descriptor.zip", "all64.zip", "local64.zip"}) {
    const Bytes whole = slurp(kept("io", name));
    const auto right = contents(whole);
    const std::size_t thrown = test::every_bit_flip(whole, [&](auto content) { EXPECT_EQ(contents(content), right); });
    // What may be turned unseen are versions, attributes and the like: a small part.
    EXPECT_GT(thrown, whole.size() * 8 * 7 / 10) << name;
  }
}

TEST(Zip, NotAnArchive) {
  zip_refuses({}, {"truncated", "0 bytes"});
  zip_refuses(bytes("not a zip file at all, just text"), {"is no ZIP archive", "not "});
  Bytes cut = slurp(kept("io", "plain.zip"));
  cut.resize(100);
  zip_refuses(cut, {"truncated", "100 bytes came"});
  Bytes longer = slurp(kept("io", "plain.zip"));
  longer.push_back(std::byte{0});
  zip_refuses(longer, {"truncated"});
}

TEST(Zip, NamesThatLeaveTheFolder) {
  // The writer refuses them, so they are patched into an archive: name of eight letters, twice.
  for (const std::string& name :
       {std::string("../evil1"), std::string("/evil123"), std::string("a/../b/c"), std::string("C:\\evil1"),
        std::string("a\\b\\cdef"), std::string("abc\0defg", 8), std::string("a/b/c/.."), std::string("C:evil12"),
        std::string("a//bcdef"), std::string("a/./bcde"), std::string("ab\ncdefg")}) {
    ASSERT_EQ(name.size(), 8u);
    Bytes archive = written({{"original", text20}}, ZipWriter::Method::stored);
    std::memcpy(archive.data() + find_all(archive, local_mark)[0] + 30, name.data(), 8);
    std::memcpy(archive.data() + find_all(archive, directory_mark)[0] + 46, name.data(), 8);
    zip_refuses(archive, {"member " + quote(name), "its name"});
  }
}

TEST(Zip, DuplicateMembers) {
  Bytes archive = written({{"one", "1"}, {"two", "2"}}, ZipWriter::Method::stored);
  std::memcpy(archive.data() + find_all(archive, local_mark)[1] + 30, "one", 3);
  std::memcpy(archive.data() + find_all(archive, directory_mark)[1] + 46, "one", 3);
  zip_refuses(archive, {"\"one\"", "appears twice"});
}

TEST(Zip, OverlappingMembers) {
  // Both directory records lead to the first local header (the trick of the overlapping bombs).
  Bytes archive = written({{"one", "1"}, {"two", "2"}}, ZipWriter::Method::stored);
  put_in_zip<std::uint32_t>(archive, find_all(archive, directory_mark)[1] + 42, 0);
  zip_refuses(archive, {"overlaps"});
  // Larger than the room up to the next header.
  archive = written({{"one", "1"}, {"two", "2"}}, ZipWriter::Method::stored);
  for (const std::size_t at : {find_all(archive, local_mark)[0] + 18, find_all(archive, directory_mark)[0] + 20}) {
    put_in_zip<std::uint32_t>(archive, at, 5);
    put_in_zip<std::uint32_t>(archive, at + 4, 5);
  }
  zip_refuses(archive, {"\"one\"", "overlap"});
  // A quoted header inside another member's data.
  archive = written({{"in", std::string(local_mark) + std::string(60, 'x')}, {"two", "2"}}, ZipWriter::Method::stored);
  put_in_zip<std::uint32_t>(archive, find_all(archive, directory_mark)[1] + 42,
                     static_cast<std::uint32_t>(find_all(archive, local_mark)[1]));
  zip_refuses(archive, {"some.zip"});
}

TEST(Zip, GapsHideNothing) {
  // Bytes in front, as self-extracting programs have them.
  Bytes archive = slurp(kept("io", "plain.zip"));
  archive.insert(archive.begin(), 10, std::byte{'x'});
  zip_refuses(archive, {"some.zip"});
  // A member less than there was: its bytes belong to nobody.
  archive = written({{"one", "1"}, {"two", "2"}}, ZipWriter::Method::stored);
  const std::size_t end = find_all(archive, end_mark)[0];
  put_in_zip<std::uint16_t>(archive, end + 8, 1);
  put_in_zip<std::uint16_t>(archive, end + 10, 1);
  zip_refuses(archive, {"belong to no member"});
}

TEST(Zip, WrongChecksum) {
  for (const auto method : {ZipWriter::Method::stored, ZipWriter::Method::deflated}) {
    Bytes archive = written({{"one", text20}}, method);
    put_in_zip<std::uint32_t>(archive, find_all(archive, local_mark)[0] + 14, 0x12345678);
    zip_refuses(archive, {"disagree about the checksum"});
    put_in_zip<std::uint32_t>(archive, find_all(archive, directory_mark)[0] + 16, 0x12345678);
    zip_refuses(archive, {"member \"one\"", "damaged", "CRC-32", "12345678"});
  }
  Bytes archive = written({{"one", text20}}, ZipWriter::Method::stored);
  archive[40] ^= std::byte{1};
  zip_refuses(archive, {"damaged"});
}

TEST(Zip, EncryptionAndMethods) {
  for (const int bits : {0x0001, 0x0040, 0x2000, 0x0020}) {
    const auto flags = static_cast<std::uint16_t>(bits);
    Bytes archive = written({{"one", text20}}, ZipWriter::Method::stored);
    put_in_zip<std::uint16_t>(archive, find_all(archive, local_mark)[0] + 6, flags);
    put_in_zip<std::uint16_t>(archive, find_all(archive, directory_mark)[0] + 8, flags);
    zip_refuses(archive, {"\"one\"", "encrypted or patched"});
  }
  Bytes archive = written({{"one", text20}}, ZipWriter::Method::stored);
  put_in_zip<std::uint16_t>(archive, find_all(archive, directory_mark)[0] + 10, std::uint16_t{12});
  zip_refuses(archive, {"method 12", "stored (0) and deflate (8)"});
}

TEST(Zip, DeclaredSizesThatLie) {
  const std::string content(1000, 'x');
  const auto with_size = [&](std::uint32_t size) {
    Bytes archive = written({{"one", content}}, ZipWriter::Method::deflated);
    put_in_zip<std::uint32_t>(archive, find_all(archive, local_mark)[0] + 22, size);
    put_in_zip<std::uint32_t>(archive, find_all(archive, directory_mark)[0] + 24, size);
    return archive;
  };
  EXPECT_EQ(contents(with_size(1000)).at(0).second, content);
  zip_refuses(with_size(999), {"inflates to more than the 999 bytes"});
  zip_refuses(with_size(1001), {"1000 bytes; 1001 were declared"});
  zip_refuses(with_size(200'000'000), {"deflate cannot do that"});
  Bytes archive = written({{"one", content}}, ZipWriter::Method::stored);
  put_in_zip<std::uint32_t>(archive, find_all(archive, local_mark)[0] + 22, 999);
  put_in_zip<std::uint32_t>(archive, find_all(archive, directory_mark)[0] + 24, 999);
  zip_refuses(archive, {"two sizes"});
  put_in_zip<std::uint32_t>(archive, find_all(archive, directory_mark)[0] + 24, 0xffffffff);
  zip_refuses(archive, {"zip64", "missing"});
}

TEST(Zip, BombsAreRefusedBeforeInflating) {
  // 1 MiB of zeros packs about 1000 to 1; the limits are lowered so that the test stays small.
  const Bytes archive = written({{"zeros", std::string(1 << 20, '\0')}}, ZipWriter::Method::deflated);
  EXPECT_EQ(contents(archive).at(0).second.size(), 1u << 20);  // below 256 MiB any ratio is fine
  ZipLimits limits;
  limits.bomb_bytes = 1 << 19;
  zip_refuses(archive, {"\"zeros\"", "ZIP bomb", "1048576", "100 times"}, limits);
  limits.bomb_ratio = 1032;
  EXPECT_EQ(contents(archive, limits).size(), 1u);
  limits.member_bytes = 1 << 18;
  zip_refuses(archive, {"at most 262144"}, limits);
  // Many members, each below the limit.
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 10; ++i) many.emplace_back(std::to_string(i), std::string(100'000, '\0'));
  limits = {};
  limits.bomb_bytes = 200'000;
  zip_refuses(written(many, ZipWriter::Method::deflated), {"ZIP bomb"}, limits);
  limits = {};
  limits.members = 9;
  zip_refuses(written(many, ZipWriter::Method::deflated), {"10 members", "at most 9"}, limits);
}

TEST(Zip, DeclaredBombOf300MiBIsRefusedByTheDefaultLimits) {
  // 300 MiB declared for 1 MiB of compressed bytes: no byte needs to inflate for the refusal.
  Bytes archive = written({{"zeros", std::string(1 << 20, '\x5a')}}, ZipWriter::Method::stored);
  const std::size_t local = find_all(archive, local_mark)[0];
  const std::size_t directory = find_all(archive, directory_mark)[0];
  put_in_zip<std::uint16_t>(archive, local + 8, std::uint16_t{8});
  put_in_zip<std::uint16_t>(archive, directory + 10, std::uint16_t{8});
  put_in_zip<std::uint32_t>(archive, local + 22, 300u << 20);
  put_in_zip<std::uint32_t>(archive, directory + 24, 300u << 20);
  zip_refuses(archive, {"ZIP bomb", "314572800"});
}

TEST(Zip, EndRecordsThatLie) {
  const Bytes good = written({{"one", "1"}}, ZipWriter::Method::stored);
  const std::size_t end = find_all(good, end_mark)[0];
  const auto with = [&](std::size_t at, auto value) {
    Bytes archive = good;
    put_in_zip(archive, end + at, value);
    return archive;
  };
  zip_refuses(with(4, std::uint16_t{1}), {"several disks"});
  zip_refuses(with(8, std::uint16_t{2}), {"several disks"});
  zip_refuses(with(12, std::uint32_t{1}), {"directory"});
  zip_refuses(with(16, std::uint32_t{1}), {"directory"});
  zip_refuses(with(16, std::uint32_t{0xffffffff}), {"zip64", "missing"});
  Bytes archive = with(8, std::uint16_t{2});
  put_in_zip(archive, end + 10, std::uint16_t{2});
  zip_refuses(archive, {"2 members do not fit"});
  archive[end + 8] = archive[end + 10] = std::byte{0};
  zip_refuses(archive, {"belong to no member"});
}

TEST(Zip, Zip64ThatDisagrees) {
  const Bytes good = written({{"one", "1"}}, ZipWriter::Method::stored, true);
  const std::size_t end = find_all(good, end_mark)[0];
  const std::size_t locator = end - 20;
  const std::size_t end64 = locator - 56;
  const auto with = [&](std::size_t at, auto value) {
    Bytes archive = good;
    put_in_zip(archive, at, value);
    return archive;
  };
  EXPECT_EQ(contents(good).size(), 1u);
  zip_refuses(with(end + 8, std::uint16_t{7}), {"disagree"});
  zip_refuses(with(end + 12, std::uint32_t{7}), {"disagree"});
  zip_refuses(with(locator + 8, std::uint64_t{0}), {"no zip64 end record"});
  zip_refuses(with(locator + 8, ~std::uint64_t{0}), {"no zip64 end record"});
  zip_refuses(with(end64 + 4, std::uint64_t{45}), {"zip64 end record says 45"});
  zip_refuses(with(end64 + 24, std::uint64_t{2}), {"several disks"});
  zip_refuses(with(end64 + 40, ~std::uint64_t{0}), {"directory"});
  zip_refuses(with(end64 + 48, ~std::uint64_t{0}), {"directory"});
  // Sizes in the zip64 fields: the directory's and the local header's must agree.
  const std::size_t local_extra = find_all(good, local_mark)[0] + 30 + 3;
  zip_refuses(with(local_extra + 4, std::uint64_t{2}), {"disagree about the size"});
  zip_refuses(with(local_extra, std::uint16_t{2}), {"zip64 field, which is missing"});
  zip_refuses(with(local_extra + 2, std::uint16_t{8}), {"truncated"});
}

TEST(Zip, DescriptorMustAgree) {
  const Bytes good = slurp(kept("io", "descriptor.zip"));
  const auto marks = find_all(good, std::string_view("PK\x07\x08", 4));
  ASSERT_FALSE(marks.empty());
  for (const std::size_t offset : {0u, 4u, 8u, 12u}) {
    Bytes archive = good;
    archive[marks[0] + offset] ^= std::byte{1};
    zip_refuses(archive, {"descriptor"});
  }
}

TEST(Inflater, GzipChecksumAndRest) {
  const Bytes gz = slurp(kept("data", "mnist/t10k-labels-idx1-ubyte.gz"));
  const auto run = [](std::span<const std::byte> content) {
    GzipSource source(content, "some.gz");
    std::array<std::byte, 11> out;
    source.read(out);
    source.finish();
    return std::string(text_of(out));
  };
  EXPECT_EQ(run(gz), std::string("\0\0\x08\x01\0\0\0\x03\x07\0\x09", 11));
  test::every_truncation_fails(gz, run);
  Bytes longer = gz;
  longer.push_back(std::byte{0});
  expect_error<FormatError>([&] { run(longer); }, {"some.gz", "1 bytes follow"});
  test::every_bit_flip(gz, [&](auto content) { EXPECT_EQ(run(content), run(gz)); });
}

TEST(Inflater, AnyPieces) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i * 7919 % 1000);
  const std::span<const std::byte> part = bytes_of(text);
  const Bytes packed = deflate(std::span(&part, 1));
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{32768}, text.size(), text.size() + 1}) {
    Inflater inflater(packed, Inflater::Container::raw, "x");
    std::string back;
    Bytes buffer(piece);
    while (const std::size_t got = inflater.read(buffer)) back += text_of(std::span(buffer).first(got));
    EXPECT_EQ(back, text);
    EXPECT_TRUE(inflater.ended());
    EXPECT_EQ(inflater.used(), packed.size());
  }
}

}  // namespace
}  // namespace linn::detail::io
