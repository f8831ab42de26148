#include "io/npy.h"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>

#include "io/elements.h"
#include "io/test_files.h"

namespace linn::detail::io {
namespace {

using test::bytes;
using test::counting;
using test::expect_error;
using test::kept;
using test::numbers;
using test::slurp;

Tensor load(const std::string& name) { return read_npy(slurp(kept("io", name + ".npy")), name + ".npy"); }

// A file with any header text.
test::Bytes with_header(std::string_view dict, std::string_view data, int version = 1) {
  std::string file = "\x93NUMPY";
  file += static_cast<char>(version);
  file += '\0';
  const std::size_t size = dict.size();
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += static_cast<char>((size >> (8 * i)) & 0xff);
  return bytes(file + std::string(dict) + std::string(data));
}

test::Bytes dict_file(std::string_view descr, std::string_view order, std::string_view shape, std::string_view data) {
  return with_header(fmt::format("{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}\n", descr, order, shape), data);
}

void refuses(const test::Bytes& file, std::initializer_list<std::string_view> parts) {
  expect_error<FormatError>([&] { read_npy(file, "some.npy"); }, parts);
  expect_error<FormatError>([&] { read_npy(file, "some.npy"); }, {"some.npy"});
}

TEST(Npy, EveryNumberTypeInBothByteOrders) {
  for (const std::string order : {"le_", "be_"}) {
    EXPECT_EQ(numbers(load(order + "u2")), counting(24)) << order;
    EXPECT_EQ(numbers(load(order + "u4")), counting(24));
    EXPECT_EQ(numbers(load(order + "u8")), counting(24));
    EXPECT_EQ(numbers(load(order + "i2")), counting(24, -12));
    EXPECT_EQ(numbers(load(order + "i4")), counting(24, -12));
    EXPECT_EQ(numbers(load(order + "i8")), counting(24, -12));
    EXPECT_EQ(numbers(load(order + "f2")), counting(24, -3, 0.25));
    EXPECT_EQ(numbers(load(order + "f4")), counting(24, -3, 0.25));
    EXPECT_EQ(numbers(load(order + "f8")), counting(24, -3, 0.25));
    EXPECT_EQ(load(order + "u2").dtype(), DType::i32);
    EXPECT_EQ(load(order + "u4").dtype(), DType::i64);
    EXPECT_EQ(load(order + "u8").dtype(), DType::i64);
    EXPECT_EQ(load(order + "i2").dtype(), DType::i32);
    EXPECT_EQ(load(order + "i4").dtype(), DType::i32);
    EXPECT_EQ(load(order + "i8").dtype(), DType::i64);
    EXPECT_EQ(load(order + "f2").dtype(), DType::f32);
    EXPECT_EQ(load(order + "f4").dtype(), DType::f32);
    EXPECT_EQ(load(order + "f8").dtype(), DType::f64);
  }
  EXPECT_EQ(load("b1").dtype(), DType::u8);
  EXPECT_EQ(load("u1").dtype(), DType::u8);
  EXPECT_EQ(load("i1").dtype(), DType::i32);
  EXPECT_EQ(numbers(load("u1")), counting(24));
  EXPECT_EQ(numbers(load("i1")), counting(24, -12));
  const auto flags = numbers(load("b1"));
  for (std::size_t i = 0; i < flags.size(); ++i) EXPECT_EQ(flags[i], static_cast<double>(i % 2));
  EXPECT_EQ(load("be_f8").shape(), (Shape{2, 3, 4}));
}

TEST(Npy, FortranOrderLoadsAsIfItWereC) {
  for (const char* name : {"fortran", "fortran_be"}) {
    EXPECT_EQ(load(name).shape(), (Shape{2, 3, 4}));
    EXPECT_EQ(numbers(load(name)), counting(24));
  }
}

TEST(Npy, VersionsScalarsAndNothing) {
  EXPECT_EQ(numbers(load("version2")), counting(6));
  EXPECT_EQ(numbers(load("version3")), counting(6));
  EXPECT_EQ(load("scalar").shape(), Shape{});
  EXPECT_EQ(numbers(load("scalar")), std::vector<double>{7});
  EXPECT_EQ(load("empty").shape(), (Shape{0, 3}));
  EXPECT_EQ(load("vector").shape(), Shape{5});
}

TEST(Npy, RefusesWhatIsNoNumber) {
  expect_error<FormatError>([] { load("object"); }, {"object.npy", "contains Python objects"});
  expect_error<FormatError>([] { load("record"); }, {"record.npy", "records"});
  expect_error<FormatError>([] { load("text"); }, {"texts"});
  expect_error<FormatError>([] { load("complex"); }, {"complex"});
  expect_error<FormatError>([] { load("date"); }, {"dates"});
  expect_error<DataError>([] { load("huge_unsigned"); }, {"huge_unsigned.npy", "element 1", "9223372036854775808"});
}

TEST(Npy, WritesTheBytesOfNumpy) {
  for (const char* name : {"u1", "le_i4", "le_i8", "le_f4", "le_f8", "scalar", "empty", "vector"}) {
    const Tensor tensor = load(name);
    test::Bytes file = bytes(npy_header(tensor));
    const auto data = bytes_of(tensor);
    file.insert(file.end(), data.begin(), data.end());
    EXPECT_EQ(file, slurp(kept("io", std::string(name) + ".npy"))) << name;
  }
  expect_error<ValueError>([] { npy_header(Tensor(Shape{1}, DType::bf16)); }, {"bfloat16", "astype"});
}

TEST(Npy, RoundTripOfAnyShapeAndType) {
  EXPECT_TRUE(rc::check([] {
    const auto rank = *rc::gen::inRange(0, 9);
    std::vector<std::int64_t> sizes;
    for (int i = 0; i < rank; ++i) sizes.push_back(*rc::gen::inRange<std::int64_t>(0, 4));
    const DType type = *rc::gen::element(DType::u8, DType::i32, DType::i64, DType::f32, DType::f64);
    Tensor tensor{Shape(std::span<const std::int64_t>(sizes)), type};
    auto* raw = static_cast<unsigned char*>(tensor.raw());
    for (std::size_t i = 0; i < tensor.bytes(); ++i) raw[i] = static_cast<unsigned char>(*rc::gen::inRange(0, 256));
    const std::string header = npy_header(tensor);
    RC_ASSERT(header.size() % 64 == 0u);
    test::Bytes file = bytes(header);
    const auto data = bytes_of(tensor);
    file.insert(file.end(), data.begin(), data.end());
    const Tensor back = read_npy(file, "x.npy");
    RC_ASSERT(back.shape() == tensor.shape());
    RC_ASSERT(back.dtype() == tensor.dtype());
    RC_ASSERT(std::memcmp(back.raw(), tensor.raw(), tensor.bytes()) == 0);
  }));
}

TEST(Npy, EveryTruncation) {
  for (const char* name : {"le_f4", "be_i2", "b1", "version2", "scalar", "fortran"})
    test::every_truncation_fails(slurp(kept("io", std::string(name) + ".npy")), [](auto part) { read_npy(part, "cut.npy"); });
}

TEST(Npy, EveryBitFlipIsAnErrorOrTheSameShape) {
  for (const char* name : {"le_f4", "u1", "b1", "version2", "fortran", "be_u8"}) {
    const test::Bytes whole = slurp(kept("io", std::string(name) + ".npy"));
    const Shape shape = read_npy(whole, "whole").shape();
    const std::size_t thrown =
        test::every_bit_flip(whole, [&](auto content) { EXPECT_EQ(read_npy(content, "flipped").shape(), shape); });
    EXPECT_GT(thrown, 60u * 8u);  // at least every bit of magic, sizes and dict
  }
}

TEST(Npy, TrailingBytes) {
  auto file = slurp(kept("io", "le_f4.npy"));
  file.push_back(std::byte{0});
  refuses(file, {"1 bytes too many"});
}

TEST(Npy, HeaderLengthIsCheckedBeforeTheHeaderIsRead) {
  std::string file("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12);
  refuses(bytes(file), {"4294967295 bytes", "at most 10000"});
  // One byte less than the limit is fine, one more is not.
  const std::string dict = "{'descr': '|u1', 'fortran_order': False, 'shape': (), }";
  EXPECT_EQ(numbers(read_npy(with_header(dict + std::string(10'000 - dict.size() - 1, ' ') + "\n", "\x05"), "a")),
            std::vector<double>{5});
  refuses(with_header(dict + std::string(10'001 - dict.size() - 1, ' ') + "\n", "\x05"), {"10001 bytes"});
  refuses(with_header(dict + std::string(10'001 - dict.size() - 1, ' ') + "\n", "\x05", 2), {"10001 bytes"});
}

TEST(Npy, BeginningAndVersion) {
  refuses(bytes(""), {"truncated"});
  refuses(bytes("PK\x03\x04 something"), {"is no .npy file"});
  for (const int version : {0, 4, 9}) refuses(with_header("{}\n", "", version), {"version", "1.0, 2.0 and 3.0"});
  auto minor = slurp(kept("io", "u1.npy"));
  minor[7] = std::byte{1};
  refuses(minor, {"version 1.1"});
}

TEST(Npy, DictsThatNumpyDoesNotWrite) {
  const std::string rest = "'fortran_order': False, 'shape': (1,)";
  const auto header = [&](std::string_view dict) { return with_header(std::string(dict) + "\n", "\x01"); };
  EXPECT_EQ(numbers(read_npy(header("{'descr': '|u1', " + rest + "}"), "a")), std::vector<double>{1});
  EXPECT_EQ(numbers(read_npy(header("{\"descr\" : \"|u1\" ,'shape':(1L,),'fortran_order':False,}   "), "a")),
            std::vector<double>{1});
  refuses(header(""), {"no dict"});
  refuses(header("[]"), {"no dict"});
  refuses(header("{}"), {"lacks the key \"descr\""});
  refuses(header("{'descr': '|u1', 'shape': (1,)}"), {"lacks the key \"fortran_order\""});
  refuses(header("{'descr': '|u1', 'fortran_order': False}"), {"lacks the key \"shape\""});
  refuses(header("{'descr': '|u1', 'descr': '|u1', " + rest + "}"), {"\"descr\" twice"});
  refuses(header("{'descr': '|u1', 'evil': 'x', " + rest + "}"), {"the key \"evil\""});
  refuses(header("{'descr': __import__('os'), " + rest + "}"), {"a text was expected"});
  refuses(header("{'descr': '|u1, " + rest), {"no dict"});
  refuses(header("{'descr': '\\x7cu1', " + rest + "}"), {"backslash"});
  refuses(header("{'descr': '|u1', " + rest + "} 1"), {"may follow"});
  refuses(header("{'descr': '|u1', " + rest), {"its end"});
  refuses(header("{'descr': '|u1' 'fortran_order': False}"), {"\",\" was expected"});
  refuses(header("{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}"), {"True or False"});
  refuses(with_header("{'descr': '|u1', " + rest + "}", "\x01"), {"may follow"});  // no line feed
  refuses(header(std::string(9'000, '(')), {"no dict"});
  refuses(header("{'descr': '|u1', 'fortran_order': False, 'shape': " + std::string(9'000, '(')), {"tuple of numbers"});
  for (const char* descr : {"'f4x'", "'|f4'", "'<f3'", "''", "'<'", "'u'", "'<f16'", "'<b2'"})
    refuses(dict_file(descr, "False", "(1,)", "\x01"), {"elements of type"});
}

TEST(Npy, ShapesThatCannotBe) {
  const auto shape = [](std::string_view text) { return dict_file("'<f4'", "False", text, std::string(16, '\0')); };
  EXPECT_EQ(read_npy(shape("(4,)"), "a").shape(), Shape{4});
  EXPECT_EQ(read_npy(shape("( 2 , 2 )"), "a").shape(), (Shape{2, 2}));
  refuses(shape("4"), {"must be a tuple"});
  refuses(shape("(4)"), {"must be a tuple"});
  refuses(shape("(04,)"), {"leading zero"});
  refuses(shape("(2 2)"), {"comma"});
  refuses(shape("(,)"), {"tuple of numbers"});
  refuses(shape("(2,,2)"), {"tuple of numbers"});
  refuses(shape("(-4,)"), {"tuple of numbers"});
  refuses(shape("(4.0,)"), {"comma"});
  refuses(shape("(None,)"), {"tuple of numbers"});
  refuses(shape("(1, 1, 1, 1, 1, 1, 1, 1, 4)"), {"more than 8 axes"});
  refuses(shape("(5,)"), {"truncated", "(5,)", "needs 20 bytes", "16 are left"});
  refuses(shape("(3,)"), {"4 bytes too many"});
  // Refused by arithmetic, before any allocation could fail.
  refuses(shape("(1099511627776,)"), {"needs 4398046511104 bytes", "16 are left"});
  refuses(shape("(9223372036854775808,)"), {"overflow"});
  refuses(shape("(4194305, 4194305, 211106198978564)"), {"overflow"});
  refuses(shape("(4611686018427387904, 4611686018427387904, 0)"), {"overflow"});
}

TEST(HalfToFloat, EveryValue) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = half_to_float(half);
    const int exponent = static_cast<int>((bits >> 10) & 31);
    const int fraction = static_cast<int>(bits & 0x3ff);
    EXPECT_EQ(std::signbit(value), bits >= 0x8000);
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(value), fraction != 0);
      EXPECT_EQ(std::isinf(value), fraction == 0);
    } else {
      const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      EXPECT_EQ(std::abs(static_cast<double>(value)), magnitude) << bits;
    }
  }
}

TEST(Elements, FortranOrderOfEveryRank) {
  EXPECT_TRUE(rc::check([] {
    const auto rank = *rc::gen::inRange<std::size_t>(1, 6);
    std::vector<std::int64_t> sizes;
    for (std::size_t i = 0; i < rank; ++i) sizes.push_back(*rc::gen::inRange<std::int64_t>(1, 4));
    const Shape shape{std::span<const std::int64_t>(sizes)};
    // Element (i0, i1, ...) lies at i0 + n0 * (i1 + n1 * ...) and holds its C-order number.
    std::vector<std::int32_t> file(static_cast<std::size_t>(shape.elements()));
    for (std::int64_t c = 0; c < shape.elements(); ++c) {
      std::int64_t rest = c;
      std::vector<std::int64_t> index(rank);
      for (std::size_t axis = rank; axis-- > 0; rest /= sizes[axis]) index[axis] = rest % sizes[axis];
      std::int64_t at = 0;
      for (std::size_t axis = rank; axis-- > 0;) at = at * sizes[axis] + index[axis];
      file[static_cast<std::size_t>(at)] = static_cast<std::int32_t>(c);
    }
    MemorySource source(std::as_bytes(std::span(file)), "F");
    const Tensor tensor = read_elements(source, FileType::i32, shape, std::endian::little, true);
    for (std::int64_t c = 0; c < shape.elements(); ++c)
      RC_ASSERT(tensor.values<std::int32_t>()[static_cast<std::size_t>(c)] == c);
  }));
}

}  // namespace
}  // namespace linn::detail::io
