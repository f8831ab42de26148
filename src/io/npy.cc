#include "io/npy.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "io/elements.h"
#include "io/text.h"
#include "linn/error.h"

namespace linn::detail::io {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::uint64_t longest_header = 10'000;

struct NpyHeader {
  std::string descr;
  bool fortran = false;
  std::vector<std::int64_t> shape;
};

// Reads Python's notation for the one dict that a header may be. No value in it nests, so nothing here recurses.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view where, std::uint64_t base) : text_(text), where_(where), base_(base) {}

  NpyHeader parse() {
    NpyHeader header;
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    space();
    expect('{');
    space();
    while (!peek('}')) {
      const std::string key = string();
      space();
      expect(':');
      space();
      bool* has = key == "descr" ? &has_descr : key == "fortran_order" ? &has_order : key == "shape" ? &has_shape : nullptr;
      if (has == nullptr) fail("the header has the key {}; allowed are \"descr\", \"fortran_order\", \"shape\"", quote(key));
      if (std::exchange(*has, true)) fail("the header has the key {} twice", quote(key));
      if (key == "descr") {
        if (peek('[') || peek('(') || peek('{'))
          throw UnsupportedElements(fmt::format("{}: offset {}: the elements are records (a structured dtype); plain numbers are allowed",
                                                where_, base_ + at_));
        header.descr = string();
      } else if (key == "fortran_order") {
        header.fortran = boolean();
      } else {
        header.shape = tuple();
      }
      space();
      if (!peek('}')) {
        expect(',');
        space();
      }
    }
    expect('}');
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (text_.substr(at_) != "\n") fail("only spaces and one line feed may follow the header's dict");
    if (!has_descr || !has_order || !has_shape)
      fail("the header lacks the key \"{}\"", !has_descr ? "descr" : !has_order ? "fortran_order" : "shape");
    return header;
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) const {
    format_error(where_, "offset {}: {}", base_ + at_, fmt::format(message, std::forward<Args>(args)...));
  }
  bool peek(char c) const { return at_ < text_.size() && text_[at_] == c; }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
  }
  void expect(char c) {
    if (!peek(c)) fail("the header is no dict as numpy writes it: {} was expected, {} came", quote({&c, 1}), came());
    ++at_;
  }
  std::string came() const { return at_ < text_.size() ? quote(text_.substr(at_, 1)) : "its end"; }
  std::string string() {
    if (!peek('\'') && !peek('"')) fail("the header is no dict as numpy writes it: a text was expected, {} came", came());
    const char quote = text_[at_++];
    const auto end = text_.find(quote, at_);
    if (end == std::string_view::npos) fail("a text in the header does not end");
    const std::string_view value = text_.substr(at_, end - at_);
    if (value.find('\\') != std::string_view::npos) fail("a text in the header has a backslash");
    at_ = end + 1;
    return std::string(value);
  }
  bool boolean() {
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fail("\"fortran_order\" must be True or False, {} came", came());
  }
  std::int64_t integer() {
    const std::size_t first = at_;
    std::int64_t value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text_[at_] - '0', &value))
        fail("\"shape\" holds a number of 2^63 or more (overflow)");
      ++at_;
    }
    if (at_ == first) fail("\"shape\" must be a tuple of numbers, {} came", came());
    if (text_[first] == '0' && at_ > first + 1) fail("\"shape\" holds a number with a leading zero");
    if (peek('L')) ++at_;  // as Python 2 wrote it
    return value;
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> sizes;
    if (!peek('(')) fail("\"shape\" must be a tuple, {} came", came());
    ++at_;
    space();
    bool comma = true;
    while (!peek(')')) {
      if (!comma) fail("\"shape\" needs a comma here, {} came", came());
      if (sizes.size() == Shape::max_rank) fail("the shape has more than {} axes", Shape::max_rank);
      sizes.push_back(integer());
      space();
      comma = peek(',');
      if (comma) {
        ++at_;
        space();
      }
    }
    // (3) is the number 3 in Python.
    if (sizes.size() == 1 && !comma) fail("\"shape\" must be a tuple; a number in brackets came");
    ++at_;
    return sizes;
  }

  std::string_view text_;
  std::string_view where_;
  std::uint64_t base_;
  std::size_t at_ = 0;
};

struct TypeName {
  std::string_view name;
  FileType type;
};
constexpr std::array type_names = {
    TypeName{"b1", FileType::boolean}, TypeName{"u1", FileType::u8},  TypeName{"u2", FileType::u16},
    TypeName{"u4", FileType::u32},     TypeName{"u8", FileType::u64}, TypeName{"i1", FileType::i8},
    TypeName{"i2", FileType::i16},     TypeName{"i4", FileType::i32}, TypeName{"i8", FileType::i64},
    TypeName{"f2", FileType::f16},     TypeName{"f4", FileType::f32}, TypeName{"f8", FileType::f64},
};

struct Element {
  FileType type;
  std::endian order;
};

[[noreturn]] void refuse(std::string_view where, const std::string& descr, std::string_view why) {
  throw UnsupportedElements(fmt::format("{}: elements of type {}{}; allowed are b1, u1, u2, u4, u8, i1, i2, i4, i8, f2, f4, f8", where,
                                        quote(descr), why));
}

Element element_of(const std::string& descr, std::string_view where) {
  std::string_view name = descr;
  char order = '=';
  if (!name.empty() && std::string_view("<>|=").find(name[0]) != std::string_view::npos) {
    order = name[0];
    name.remove_prefix(1);
  }
  for (const TypeName& known : type_names) {
    if (name != known.name) continue;
    if (order == '|' && size_of(known.type) > 1) refuse(where, descr, " lack a byte order");
    return {known.type, order == '>' ? std::endian::big : std::endian::little};
  }
  const char kind = name.empty() ? ' ' : name[0];
  refuse(where, descr,
         kind == 'O'                                 ? ": the array contains Python objects, which are never loaded"
         : kind == 'c'                               ? ": complex numbers"
         : kind == 'S' || kind == 'U' || kind == 'a' ? ": texts"
         : kind == 'M' || kind == 'm'                ? ": dates or times"
         : kind == 'V'                               ? ": raw bytes or records"
                                                     : "");
}

}  // namespace

Tensor read_npy(Source& source) {
  const std::string& where = source.where();
  std::array<std::byte, 8> start;
  if (source.most_left() < start.size())
    format_error(where, "truncated: {} bytes, an .npy file begins with 8 and a header", source.most_left());
  source.read(start);
  if (text_of(start).substr(0, magic.size()) != magic)
    format_error(where, "is no .npy file: it begins with {}, not with \"\\x93NUMPY\"",
                 quote(text_of(start).substr(0, magic.size())));
  const int major = std::to_integer<int>(start[6]);
  const int minor = std::to_integer<int>(start[7]);
  if (major < 1 || major > 3 || minor != 0)
    format_error(where, "offset 6: .npy version {}.{}; 1.0, 2.0 and 3.0 are allowed", major, minor);

  std::array<std::byte, 4> length_bytes{};
  source.read(std::span(length_bytes).first(major == 1 ? 2 : 4));
  const std::uint64_t length = Reader(length_bytes, where).le32();
  if (length > longest_header)
    format_error(where, "offset 8: the header has {} bytes; at most {} are allowed", length, longest_header);
  const std::uint64_t base = source.offset();
  std::string text(static_cast<std::size_t>(length), '\0');
  source.read(std::as_writable_bytes(std::span(text)));
  const NpyHeader header = HeaderParser(text, where, base).parse();
  const Element element = element_of(header.descr, where);
  const Shape shape = checked_shape(where, header.shape, size_of(element.type));
  Tensor tensor = read_elements(source, element.type, shape, element.order, header.fortran);
  source.finish();
  return tensor;
}

Tensor read_npy(std::span<const std::byte> bytes, std::string where) {
  MemorySource source(bytes, std::move(where));
  return read_npy(source);
}

std::string npy_header(const Tensor& tensor) {
  std::string_view descr;
  switch (tensor.dtype()) {
    case DType::u8: descr = "|u1"; break;
    case DType::i32: descr = "<i4"; break;
    case DType::i64: descr = "<i8"; break;
    case DType::f32: descr = "<f4"; break;
    case DType::f64: descr = "<f8"; break;
    case DType::bf16:
      throw ValueError("numpy has no bfloat16: convert the tensor with astype(DType::f32) before saving it as .npy");
  }
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr, tensor.shape().to_string());
  // numpy leaves room for the first size to grow to 21 digits, then pads the whole to a multiple of 64.
  if (tensor.shape().rank() > 0) dict.append(21 - std::to_string(tensor.shape()[0]).size(), ' ');
  const std::size_t before = magic.size() + 4 + dict.size() + 1;
  dict.append((64 - before % 64) % 64, ' ');
  dict += '\n';
  std::string header(magic);
  header += '\x01';
  header += '\0';
  header += static_cast<char>(dict.size() & 0xff);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

}  // namespace linn::detail::io
