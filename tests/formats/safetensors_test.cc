#include "formats/safetensors.h"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "io/test_files.h"

namespace linn::detail::formats {
namespace {

using test::bytes;
using test::Bytes;
using test::counting;
using test::expect_error;
using test::kept;
using test::numbers;
using test::slurp;
using test::TempDir;

const Tensor& named(const NamedTensors& tensors, std::string_view name) {
  for (const auto& [key, tensor] : tensors)
    if (key == name) return tensor;
  throw std::runtime_error("no such tensor in the test");
}

Bytes file_of(std::string_view header, std::string_view data) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return bytes(file + std::string(header) + std::string(data));
}

void refuses(const Bytes& file, std::initializer_list<std::string_view> parts) {
  expect_error<FormatError>([&] { read_safetensors(file, "some.safetensors"); }, parts);
  expect_error<FormatError>([&] { read_safetensors(file, "some.safetensors"); }, {"some.safetensors"});
}

TEST(Safetensors, ReadsTheReferencesFile) {
  Metadata metadata;
  const NamedTensors tensors = load_safetensors(kept("formats", "types.safetensors"), &metadata);
  EXPECT_EQ(metadata, (Metadata{{"format", "linn"}}));
  ASSERT_EQ(tensors.size(), 9u);
  EXPECT_EQ(named(tensors, "b").shape(), (Shape{2, 3}));
  EXPECT_EQ(numbers(named(tensors, "b")), counting(6));
  EXPECT_EQ(named(tensors, "wide").dtype(), DType::i64);
  EXPECT_EQ(numbers(named(tensors, "double")), counting(2));
  EXPECT_EQ(named(tensors, "whole").dtype(), DType::i32);
  EXPECT_EQ(numbers(named(tensors, "byte")), counting(5));
  EXPECT_EQ(named(tensors, "brain").dtype(), DType::bf16);
  EXPECT_EQ(numbers(named(tensors, "brain")), counting(3));
  EXPECT_EQ(named(tensors, "empty").shape(), (Shape{0, 4}));
  EXPECT_EQ(named(tensors, "scalar").shape(), Shape{});
  EXPECT_EQ(numbers(named(tensors, "scalar")), std::vector<double>{2.5});
  EXPECT_TRUE(load_safetensors(kept("formats", "none.safetensors")).empty());
}

TEST(Safetensors, WidensWhatTensorsLack) {
  const NamedTensors tensors = load_safetensors(kept("formats", "widened.safetensors"));
  EXPECT_EQ(numbers(named(tensors, "flag")), (std::vector<double>{1, 0}));
  EXPECT_EQ(numbers(named(tensors, "half")), counting(3));
  EXPECT_EQ(numbers(named(tensors, "short")), counting(3, -1));
  EXPECT_EQ(numbers(named(tensors, "tiny")), counting(3, -1));
  EXPECT_EQ(numbers(named(tensors, "unsigned")), counting(3));
}

TEST(Safetensors, WritesTheReferencesBytes) {
  const TempDir dir;
  Metadata metadata;
  NamedTensors tensors = load_safetensors(kept("formats", "types.safetensors"), &metadata);
  std::reverse(tensors.begin(), tensors.end());  // the order given does not matter
  save_safetensors(dir / "a.safetensors", tensors, metadata);
  EXPECT_EQ(slurp(dir / "a.safetensors"), slurp(kept("formats", "types.safetensors")));
  save_safetensors(dir / "none.safetensors", {});
  EXPECT_EQ(slurp(dir / "none.safetensors"), slurp(kept("formats", "none.safetensors")));
}

TEST(Safetensors, RoundTrip) {
  const TempDir dir;
  EXPECT_TRUE(rc::check([&] {
    NamedTensors tensors;
    const int count = *rc::gen::inRange(0, 6);
    for (int i = 0; i < count; ++i) {
      const Shape shape{*rc::gen::inRange<std::int64_t>(0, 4), *rc::gen::inRange<std::int64_t>(0, 4)};
      Tensor tensor(shape, *rc::gen::element(DType::u8, DType::i32, DType::i64, DType::f32, DType::f64, DType::bf16));
      auto* raw = static_cast<unsigned char*>(tensor.raw());
      for (std::size_t k = 0; k < tensor.bytes(); ++k) raw[k] = static_cast<unsigned char>(*rc::gen::inRange(0, 256));
      tensors.emplace_back(fmt::format("layer/\"{}\"\n", i), tensor);
    }
    const Metadata metadata = {{"config", "{\"a\": \"ü\"}"}, {"", ""}};
    save_safetensors(dir / "a.safetensors", tensors, metadata);
    Metadata back_metadata;
    const NamedTensors back = load_safetensors(dir / "a.safetensors", &back_metadata);
    RC_ASSERT(back_metadata == metadata);
    RC_ASSERT(back.size() == tensors.size());
    for (const auto& [name, tensor] : tensors) {
      const Tensor& other = named(back, name);
      RC_ASSERT(other.shape() == tensor.shape());
      RC_ASSERT(other.dtype() == tensor.dtype());
      RC_ASSERT(std::memcmp(other.raw(), tensor.raw(), tensor.bytes()) == 0);
    }
  }));
}

TEST(Safetensors, EveryTruncation) {
  test::every_truncation_fails(slurp(kept("formats", "types.safetensors")), [](auto part) { read_safetensors(part, "cut"); });
}

TEST(Safetensors, EveryBitFlipIsAnErrorOrTheSameShapes) {
  for (const char* name : {"types.safetensors", "widened.safetensors"}) {
    const Bytes whole = slurp(kept("formats", name));
    const NamedTensors right = read_safetensors(whole, "whole");
    const std::size_t thrown = test::every_bit_flip(whole, [&](auto content) {
      const NamedTensors back = read_safetensors(content, "flipped");
      // A letter of a name may have changed; then tensors of the same place have the same shape.
      ASSERT_EQ(back.size(), right.size());
      std::multiset<std::string> shapes;
      std::multiset<std::string> right_shapes;
      // No byte can speak for the other sizes of a tensor without elements: those count as one shape.
      const auto text = [](const Tensor& tensor) { return tensor.elements() == 0 ? "empty" : tensor.shape().to_string(); };
      for (const auto& [key, tensor] : back) shapes.insert(text(tensor));
      for (const auto& [key, tensor] : right) right_shapes.insert(text(tensor));
      EXPECT_EQ(shapes, right_shapes);
    });
    EXPECT_GT(thrown, 1000u);
  }
}

TEST(Safetensors, HeaderRules) {
  const std::string good = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  EXPECT_EQ(read_safetensors(file_of(good, "xy"), "a").size(), 1u);
  EXPECT_EQ(read_safetensors(file_of(good + "   ", "xy"), "a").size(), 1u);
  refuses({}, {"truncated at offset 0, need 8 bytes"});
  refuses(bytes("\xff\xff\xff\xff\xff\xff\xff\xff{}"), {"18446744073709551615 bytes", "at most 100000000"});
  refuses(bytes(std::string_view("\x01\xe1\xf5\x05\0\0\0\0{}", 10)), {"100000001 bytes"});
  refuses(bytes(std::string_view("\x05\0\0\0\0\0\0\0{}", 10)), {"truncated at offset 8, need 5 bytes"});
  refuses(file_of("", ""), {"must begin with '{'"});
  refuses(file_of(" " + good, "xy"), {"must begin with '{'"});
  refuses(file_of("[]", ""), {"must begin with '{'"});
  refuses(file_of(good + "\n", "xy"), {"only spaces may follow"});
  refuses(file_of(good + std::string(1, '\0'), "xy"), {"only spaces may follow"});
  refuses(file_of("{\"a\":}", ""), {"header:1:6"});
  refuses(file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                  "xy"),
          {"\"a\" appears twice"});
  refuses(file_of(R"({"__metadata__":{"a":1}})", ""), {"__metadata__", "field \"a\": 1 came, a text"});
  refuses(file_of(R"({"__metadata__":[]})", ""), {"__metadata__", "object of texts"});
  EXPECT_TRUE(read_safetensors(file_of(R"({"__metadata__":{}})", ""), "a").empty());
}

TEST(Safetensors, TensorRules) {
  const auto one = [](std::string_view dtype, std::string_view shape, std::string_view offsets, std::string_view data) {
    return file_of(fmt::format(R"({{"a":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", dtype, shape, offsets), data);
  };
  EXPECT_EQ(read_safetensors(one("\"F32\"", "[1]", "[0,4]", "abcd"), "x").size(), 1u);
  refuses(one("\"F8_E4M3\"", "[4]", "[0,4]", "abcd"), {"tensor \"a\"", "\"F8_E4M3\" came", "BF16"});
  refuses(one("3", "[4]", "[0,4]", "abcd"), {"\"dtype\"", "3 came"});
  refuses(one("\"F32\"", "4", "[0,4]", "abcd"), {"\"shape\""});
  refuses(one("\"F32\"", "[-1]", "[0,4]", "abcd"), {"\"shape\"", "-1 came"});
  refuses(one("\"F32\"", "[\"1\"]", "[0,4]", "abcd"), {"\"shape\"", "\"1\" came"});
  refuses(one("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]", "abcd"), {"9 axes"});
  refuses(one("\"F32\"", "[1]", "[0]", "abcd"), {"[begin, end]"});
  refuses(one("\"F32\"", "[1]", "[0,4,4]", "abcd"), {"[begin, end]"});
  refuses(one("\"F32\"", "[1]", "[4,0]", "abcd"), {"needs 4 bytes"});
  refuses(one("\"F32\"", "[1]", "[-4,0]", "abcd"), {"-4 came"});
  refuses(one("\"F32\"", "[2]", "[0,4]", "abcd"), {"shape (2,) of F32 needs 8 bytes", "0 and 4"});
  refuses(one("\"F32\"", "[1]", "[0,4]", "abc"), {"tensor \"a\"", "truncated", "3 bytes of data"});
  refuses(one("\"F32\"", "[1]", "[0,4]", "abcde"), {"1 bytes that belong to no tensor"});
  refuses(one("\"F32\"", "[1]", "[1,5]", "abcde"), {"begin at offset 1"});
  // The overflow that other readers fell for: the product is 4 modulo 2^64.
  refuses(one("\"U8\"", "[4194305,4194305,211106198978564]", "[0,4]", "abcd"), {"tensor \"a\"", "overflow"});
  refuses(one("\"F64\"", "[1152921504606846976]", "[0,0]", ""), {"overflow"});
  // A terabyte in a file of a few bytes.
  refuses(one("\"F32\"", "[274877906944]", "[0,1099511627776]", "abcd"), {"truncated", "1099511627776"});
  refuses(file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"extra":1}})", "x"), {"unknown field \"extra\""});
  refuses(file_of(R"({"a":{"dtype":"U8","shape":[1]}})", "x"), {"\"data_offsets\" is missing"});
  refuses(file_of(R"({"a":1})", ""), {"1 came, an object"});
}

TEST(Safetensors, NoHoleNoOverlap) {
  const auto two = [](std::string_view first, std::string_view second, std::string_view data) {
    return file_of(
        fmt::format(
            R"({{"a":{{"dtype":"U8","shape":[2],"data_offsets":{}}},"b":{{"dtype":"U8","shape":[2],"data_offsets":{}}}}})", first,
            second),
        data);
  };
  EXPECT_EQ(read_safetensors(two("[2,4]", "[0,2]", "abcd"), "x").front().first, "b");  // in the order of the bytes
  refuses(two("[0,2]", "[0,2]", "ab"), {"tensor \"b\"", "begin at offset 0"});
  refuses(two("[0,2]", "[1,3]", "abc"), {"begin at offset 1", "ends at 2"});
  refuses(two("[0,2]", "[3,5]", "abcde"), {"begin at offset 3", "ends at 2"});
  // Tensors without elements take no bytes, in the middle or at the end, but not just anywhere.
  const auto empty_at = [](int at) {
    return file_of(
        fmt::format(
            R"({{"a":{{"dtype":"U8","shape":[2],"data_offsets":[0,2]}},"b":{{"dtype":"U8","shape":[0],"data_offsets":[{0},{0}]}}}})",
            at),
        "xy");
  };
  EXPECT_EQ(read_safetensors(empty_at(0), "x").size(), 2u);
  EXPECT_EQ(read_safetensors(empty_at(2), "x").size(), 2u);
  refuses(empty_at(1), {"offset"});
  refuses(empty_at(3), {"offset 3"});
}

TEST(Safetensors, AFailedSaveLeavesTheOldFile) {
  const TempDir dir;
  const Tensor good = Tensor::from(std::vector<float>{1, 2}, Shape{2});
  save_safetensors(dir / "a", {{"x", good}});
  const Bytes before = slurp(dir / "a");
  EXPECT_THROW(save_safetensors(dir / "a", {{"x", good}, {"x", good}}), ValueError);
  EXPECT_THROW(save_safetensors(dir / "a", {{"x", Tensor()}}), ValueError);
  EXPECT_THROW(save_safetensors(dir / "a", {{"__metadata__", good}}), ValueError);
  EXPECT_THROW(save_safetensors(dir / "a", {{"\xff", good}}), ValueError);
  EXPECT_THROW(save_safetensors(dir / "a", {{"x", good}}, {{"k", "\xff"}}), ValueError);
  EXPECT_EQ(slurp(dir / "a"), before);
  EXPECT_EQ(dir.names().size(), 1u);
  expect_error<IoError>([&] { save_safetensors(dir / "no/folder", {{"x", good}}); }, {"no/folder"});
  expect_error<IoError>([&] { load_safetensors(dir / "missing"); }, {dir / "missing"});
}

}  // namespace
}  // namespace linn::detail::formats
