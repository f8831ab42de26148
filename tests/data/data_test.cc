#include "linn/data.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <map>

#include "data/idx.h"
#include "io/test_files.h"
#include "io/zip.h"
#include "support/source_tree.h"

namespace linn {
namespace {

using test::bytes;
using test::Bytes;
using test::counting;
using test::expect_error;
using test::kept;
using test::numbers;
using test::slurp;
using test::spill;
using test::TempDir;

std::string data_file(const std::string& name) { return kept("data", name); }

TEST(LoadNpz, ReadsNumpysFiles) {
  const Archive plain = load_npz(data_file("plain.npz"));
  EXPECT_EQ(plain.names(), (std::vector<std::string>{"x_train", "y_train"}));
  EXPECT_EQ(plain["x_train"].shape(), (Shape{3, 2, 2}));
  EXPECT_EQ(numbers(plain["x_train"]), counting(12));
  EXPECT_EQ(numbers(plain["y_train"]), (std::vector<double>{3, 1, 2}));
  const Archive compressed = load_npz(data_file("compressed.npz"));
  EXPECT_EQ(compressed.size(), 4u);
  EXPECT_EQ(numbers(compressed["x_test"]), counting(4));
  EXPECT_TRUE(compressed.contains("y_test"));
  EXPECT_FALSE(compressed.contains("z"));
  EXPECT_TRUE(load_npz(data_file("none.npz")).empty());
}

TEST(LoadNpz, ReadsTheMnistOfThisProject) {
  const Archive mnist = load_npz(tests::source_dir() + "/data/mnist.npz");
  EXPECT_EQ(mnist["x_train"].shape(), (Shape{60000, 28, 28}));
  EXPECT_EQ(mnist["y_train"].shape(), (Shape{60000}));
  EXPECT_EQ(mnist["x_test"].shape(), (Shape{10000, 28, 28}));
  EXPECT_EQ(mnist["x_train"].dtype(), DType::u8);
  EXPECT_EQ(mnist["y_train"].values<std::uint8_t>()[0], 5);  // the first digit is a five
  std::int64_t sum = 0;
  for (const std::uint8_t pixel : mnist["x_train"].values<std::uint8_t>()) sum += pixel;
  EXPECT_NEAR(static_cast<double>(sum) / (60000.0 * 784 * 255), 0.13066, 5e-6);
}

TEST(Archive, UnknownNamesListTheKnown) {
  const Archive archive = load_npz(data_file("plain.npz"));
  expect_error<ValueError>([&] { archive["x_tarin"]; },
                           {"plain.npz", "no array \"x_tarin\"", "did you mean \"x_train\"?", "it has \"x_train\", \"y_train\""});
  expect_error<ValueError>([] { Archive()["x"]; }, {"it has none"});
  std::vector<Archive::Entry> many;
  for (int i = 0; i < 25; ++i) many.emplace_back(fmt::format("array{}", i), Tensor(Shape{1}));
  expect_error<ValueError>([&] { (void)Archive(std::vector<Archive::Entry>(many))["q"]; }, {"\"array19\" and 5 more"});
}

TEST(Archive, SetsAndRefusesDoubles) {
  Archive archive{{"a", Tensor(Shape{1})}, {"b", Tensor(Shape{2})}};
  archive.set("a", Tensor(Shape{3}));
  archive.set("c", Tensor(Shape{4}));
  EXPECT_EQ(archive.names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(archive["a"].shape(), Shape{3});
  expect_error<ValueError>([] { Archive({{"a", Tensor()}, {"a", Tensor()}}); }, {"two arrays named \"a\""});
}

TEST(SaveNpz, RoundTrip) {
  const TempDir dir;
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, Shape{2, 3});
  const Tensor y = Tensor::from(std::vector<std::int64_t>{-1, 1}, Shape{2});
  for (const bool compressed : {false, true}) {
    save_npz(dir / "a.npz", {{"x", x}, {"dir/y", y}}, compressed);
    const Archive back = load_npz(dir / "a.npz");
    EXPECT_EQ(back.names(), (std::vector<std::string>{"x", "dir/y"}));
    EXPECT_EQ(numbers(back["x"]), numbers(x));
    EXPECT_EQ(back["dir/y"].dtype(), DType::i64);
    EXPECT_EQ(numbers(back["dir/y"]), numbers(y));
  }
  save_npz(dir / "none.npz", {});
  EXPECT_TRUE(load_npz(dir / "none.npz").empty());
}

TEST(SaveNpz, NumpyReadsIt) {
  if (std::system("python3 -c 'import numpy' 2>/dev/null") != 0) GTEST_SKIP() << "no numpy here";
  const TempDir dir;
  const Tensor x = Tensor::from(std::vector<float>{0, 1, 2, 3, 4, 5}, Shape{2, 3});
  for (const bool compressed : {false, true}) {
    save_npz(dir / "a.npz", {{"x", x}}, compressed);
    const std::string program =
        "import numpy, sys; x = numpy.load(sys.argv[1])['x']; "
        "assert x.dtype == 'float32' and (x == numpy.arange(6).reshape(2, 3)).all()";
    EXPECT_EQ(std::system(fmt::format("python3 -c \"{}\" '{}'", program, dir / "a.npz").c_str()), 0);
  }
}

TEST(LoadNpz, SaysWhatIsWrong) {
  const TempDir dir;
  expect_error<IoError>([&] { load_npz(dir / "missing.npz"); }, {dir / "missing.npz", "No such file"});
  spill(dir / "empty.npz", {});
  expect_error<FormatError>([&] { load_npz(dir / "empty.npz"); }, {dir / "empty.npz", "truncated"});
  std::filesystem::copy_file(kept("io", "vector.npy"), dir / "array.npz");
  expect_error<FormatError>([&] { load_npz(dir / "array.npz"); }, {"load_npy"});
  expect_error<FormatError>([&] { load_npz(kept("io", "plain.zip")); },
                            {"plain.zip", "member \"folder/member0.txt\"", "NAME.npy"});

  const auto with_member = [&](const std::string& name, const Bytes& content) {
    Bytes file;
    detail::io::ZipWriter zip([&](std::span<const std::byte> part) { file.insert(file.end(), part.begin(), part.end()); });
    zip.add(name, content);
    zip.finish();
    spill(dir / "a.npz", file);
  };
  with_member("x.npy", slurp(kept("io", "object.npy")));
  expect_error<FormatError>([&] { load_npz(dir / "a.npz")["x"]; }, {"a.npz: member \"x.npy\"", "contains Python objects"});
  with_member(".npy", slurp(kept("io", "vector.npy")));
  expect_error<FormatError>([&] { load_npz(dir / "a.npz"); }, {"member \".npy\""});
  Bytes longer = slurp(kept("io", "vector.npy"));
  longer.push_back(std::byte{1});
  with_member("x.npy", longer);
  expect_error<FormatError>([&] { load_npz(dir / "a.npz"); }, {"member \"x.npy\"", "1 bytes too many"});
  longer.pop_back();
  longer.pop_back();
  with_member("x.npy", longer);
  expect_error<FormatError>([&] { load_npz(dir / "a.npz"); }, {"member \"x.npy\"", "needs 20 bytes", "19 are left"});
}

TEST(LoadNpz, ArraysOfNoNumbersWaitUntilTheyAreAskedFor) {
  const TempDir dir;
  Bytes file;
  detail::io::ZipWriter zip([&](std::span<const std::byte> part) { file.insert(file.end(), part.begin(), part.end()); });
  zip.add("names.npy", slurp(kept("io", "text.npy")));
  zip.add("x.npy", slurp(kept("io", "vector.npy")));
  zip.add("huge.npy", slurp(kept("io", "huge_unsigned.npy")));
  zip.finish();
  spill(dir / "a.npz", file);
  const Archive archive = load_npz(dir / "a.npz");
  EXPECT_EQ(archive.names(), std::vector<std::string>{"x"});
  EXPECT_FALSE(archive.contains("names"));
  expect_error<FormatError>([&] { archive["names"]; }, {"a.npz: member \"names.npy\"", "texts"});
  expect_error<FormatError>([&] { archive["huge"]; }, {"9223372036854775808"});
  expect_error<ValueError>([&] { archive["nothing"]; }, {"a.npz has no array \"nothing\""});
}

// Blank images compress a thousand times; that alone makes no bomb.
TEST(LoadNpz, FullBlankImagesOf300MiB) {
  const TempDir dir;
  save_npz(dir / "blank.npz", {{"x", Tensor({300, 1024, 1024}, DType::u8)}}, true);
  EXPECT_LT(std::filesystem::file_size(dir / "blank.npz"), 400'000U);
  EXPECT_EQ(load_npz(dir / "blank.npz")["x"].shape(), (Shape{300, 1024, 1024}));
}

TEST(LoadNpz, DeclaredSizesThatDeflateCannotHold) {
  const TempDir dir;
  save_npz(dir / "a.npz", {{"x", Tensor({4, 4}, DType::u8)}}, true);
  Bytes file = slurp(dir / "a.npz");
  // The inflated size stands at offset 22 of the local header and 24 of the directory's record.
  const std::string_view text = detail::io::text_of(file);
  for (const auto& [record, offset] : {std::pair<std::string, std::size_t>{"PK\3\4", 22}, {"PK\1\2", 24}}) {
    const std::size_t at = text.find(record) + offset;
    file[at + 3] = std::byte{0xff};
    file[at + 2] = std::byte{0xf0};
  }
  spill(dir / "a.npz", file);
  expect_error<FormatError>([&] { load_npz(dir / "a.npz"); }, {"member \"x.npy\"", "deflate cannot do that"});
}

TEST(LoadNpz, EveryTruncationAndBitFlip) {
  const TempDir dir;
  for (const char* name : {"plain.npz", "compressed.npz"}) {
    const Bytes whole = slurp(data_file(name));
    const Archive right = load_npz(data_file(name));
    test::every_truncation_fails(whole, [&](auto part) {
      spill(dir / "cut.npz", {part.begin(), part.end()});
      load_npz(dir / "cut.npz");
    });
    const std::size_t thrown = test::every_bit_flip(whole, [&](auto content) {
      spill(dir / "flipped.npz", {content.begin(), content.end()});
      const Archive back = load_npz(dir / "flipped.npz");
      ASSERT_EQ(back.names(), right.names());
      // The checksum covers every element.
      for (const auto& [key, tensor] : back) {
        EXPECT_EQ(tensor.shape(), right[key].shape());
        EXPECT_EQ(numbers(tensor), numbers(right[key]));
      }
    });
    EXPECT_GT(thrown, whole.size() * 8 * 7 / 10);
  }
}

TEST(SaveNpy, AFailedSaveLeavesTheOldFile) {
  const TempDir dir;
  const Tensor good = Tensor::from(std::vector<float>{1, 2}, Shape{2});
  const Tensor no_numpy = good.astype(DType::bf16);
  save_npy(dir / "a.npy", good);
  save_npz(dir / "a.npz", {{"x", good}});
  EXPECT_EQ(numbers(load_npy(dir / "a.npy")), (std::vector<double>{1, 2}));
  const Bytes npy = slurp(dir / "a.npy");
  const Bytes npz = slurp(dir / "a.npz");
  EXPECT_THROW(save_npy(dir / "a.npy", no_numpy), ValueError);
  EXPECT_THROW(save_npy(dir / "a.npy", Tensor()), ValueError);
  EXPECT_THROW(save_npz(dir / "a.npz", {{"x", good}, {"y", no_numpy}}), ValueError);
  EXPECT_THROW(save_npz(dir / "a.npz", {{"x", good}, {"../y", good}}), ValueError);  // found after x was written
  EXPECT_THROW(save_npz(dir / "a.npz", {{"x", good}, {"y", Tensor()}}), ValueError);
  EXPECT_EQ(slurp(dir / "a.npy"), npy);
  EXPECT_EQ(slurp(dir / "a.npz"), npz);
  EXPECT_EQ(dir.names().size(), 2u);
}

// The real thing, not a table of calls: the operating system stops the write in the middle.
TEST(SaveNpz, NoRoomLeavesTheOldFile) {
  const TempDir dir;
  const Tensor small = Tensor::from(std::vector<float>{1, 2}, Shape{2});
  const Tensor large(Shape{100'000}, DType::f32);
  save_npz(dir / "a.npz", {{"x", small}});
  save_npy(dir / "a.npy", small);
  const Bytes npz = slurp(dir / "a.npz");
  const Bytes npy = slurp(dir / "a.npy");
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);  // the write then fails with EFBIG
  struct rlimit low = old;
  low.rlim_cur = 50'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  expect_error<IoError>(
      [&] {
        save_npz(dir / "a.npz", {{"x", large}});
      },
      {dir / "a.npz", "writing failed", "File too large", "unchanged"});
  expect_error<IoError>([&] { save_npy(dir / "a.npy", large); }, {dir / "a.npy", "File too large"});
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(slurp(dir / "a.npz"), npz);
  EXPECT_EQ(slurp(dir / "a.npy"), npy);
  EXPECT_EQ(dir.names().size(), 2u);
}

TEST(LoadIdx, EveryType) {
  const std::map<std::string, DType> types = {{"u1", DType::u8},  {"i1", DType::i32}, {"i2", DType::i32},
                                              {"i4", DType::i32}, {"f4", DType::f32}, {"f8", DType::f64}};
  for (const auto& [name, type] : types) {
    const Tensor tensor = load_idx(data_file(name + ".idx"));
    EXPECT_EQ(tensor.shape(), (Shape{2, 3})) << name;
    EXPECT_EQ(tensor.dtype(), type) << name;
    EXPECT_EQ(numbers(tensor), counting(6)) << name;
  }
  EXPECT_EQ(numbers(load_idx(data_file("mnist/t10k-images-idx3-ubyte.gz"))), counting(48));
}

TEST(LoadIdx, EveryTruncationAndBitFlip) {
  for (const char* name : {"i2.idx", "u1.idx", "mnist/t10k-images-idx3-ubyte.gz"}) {
    const Bytes whole = slurp(data_file(name));
    const Shape shape = load_idx(data_file(name)).shape();
    test::every_truncation_fails(whole, [](auto part) { detail::data::read_idx(part, "cut.idx"); });
    test::every_bit_flip(whole, [&](auto content) { EXPECT_EQ(detail::data::read_idx(content, "flipped.idx").shape(), shape); });
  }
}

TEST(LoadIdx, HeadersThatLie) {
  const auto load = [](std::string_view content) {
    const Bytes file = bytes(content);
    return [file] { detail::data::read_idx(file, "some.idx"); };
  };
  using namespace std::string_view_literals;
  expect_error<FormatError>(load(""), {"some.idx", "truncated"});
  expect_error<FormatError>(load("\1\0\x08\x01\0\0\0\0"sv), {"is no IDX file"});
  expect_error<FormatError>(load("\0\0\x0a\x01\0\0\0\0"sv), {"is no IDX file"});
  expect_error<FormatError>(load("\0\0\x08\0\0\0\0\0"sv), {"0 axes"});
  expect_error<FormatError>(load("\0\0\x08\x09\0\0\0\0"sv), {"9 axes"});
  expect_error<FormatError>(load("\0\0\x08\x01\0\0\0\x02x"sv), {"needs 2 bytes", "1 are left"});
  expect_error<FormatError>(load("\0\0\x08\x01\0\0\0\x01xy"sv), {"1 bytes too many"});
  expect_error<FormatError>(load("\0\0\x08\x03\xff\xff\xff\xff\0\0\0\xff\0\0\1\0x"sv),
                            {"needs 280375465017600 bytes"});  // 255 TiB
  expect_error<FormatError>(load("\0\0\x0e\x02\xff\xff\xff\xff\xff\xff\xff\xff"sv), {"overflow"});
  // A gzip file of few bytes cannot hold a terabyte, whatever it says.
  const Bytes gz = slurp(data_file("mnist/t10k-labels-idx1-ubyte.gz"));
  EXPECT_NO_THROW(detail::data::read_idx(gz, "a.gz"));
  Bytes longer = gz;
  longer.push_back(std::byte{0});
  expect_error<FormatError>([&] { detail::data::read_idx(longer, "a.gz"); }, {"1 bytes follow the gzip stream"});
}

TEST(LoadImage, TellsKindsByTheirFirstBytes) {
  const TempDir dir;
  std::filesystem::copy_file(kept("io", "rgb8.png"), dir / "a.jpg");  // names do not matter
  EXPECT_EQ(load_image(dir / "a.jpg").shape(), (Shape{5, 7, 3}));
  EXPECT_EQ(load_image(kept("io", "grey.jpg")).shape(), (Shape{20, 28, 1}));
  save_png(dir / "b.png", load_image(kept("io", "grey.jpg")));
  EXPECT_EQ(numbers(load_image(dir / "b.png")), numbers(load_image(kept("io", "grey.jpg"))));
  spill(dir / "text", bytes("GIF89a..."));
  spill(dir / "empty", {});
  expect_error<FormatError>([&] { load_image(dir / "text"); }, {dir / "text", "no PNG and no JPEG", "GIF89a"});
  expect_error<FormatError>([&] { load_image(dir / "empty"); }, {dir / "empty", "nothing"});
  expect_error<IoError>([&] { load_image(dir / "missing"); }, {dir / "missing"});
  expect_error<IoError>([&] { load_image(dir.path()); }, {"a directory"});
}

}  // namespace
}  // namespace linn
