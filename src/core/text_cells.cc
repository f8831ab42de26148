#include "core/text_cells.h"

#include <algorithm>
#include <cstdint>

namespace linn::detail::core {
namespace {

struct Range {
  char32_t first, last;
  int cells;
};

// By number. Sources: Unicode's EastAsianWidth.txt (W and F) and general categories Mn, Me and Cf.
constexpr Range ranges[] = {
    {0x0300, 0x036F, 0},   {0x0483, 0x0489, 0},   {0x0591, 0x05BD, 0},   {0x05BF, 0x05BF, 0},   {0x05C1, 0x05C2, 0},   {0x05C4, 0x05C5, 0},
    {0x0610, 0x061A, 0},   {0x064B, 0x065F, 0},   {0x0670, 0x0670, 0},   {0x06D6, 0x06DC, 0},   {0x0900, 0x0902, 0},   {0x093C, 0x093C, 0},
    {0x0941, 0x0948, 0},   {0x094D, 0x094D, 0},   {0x0E31, 0x0E31, 0},   {0x0E34, 0x0E3A, 0},   {0x0E47, 0x0E4E, 0},   {0x1100, 0x115F, 2},
    {0x1160, 0x11FF, 0},   {0x1AB0, 0x1AFF, 0},   {0x1DC0, 0x1DFF, 0},   {0x200B, 0x200F, 0},   {0x2028, 0x202E, 0},   {0x2060, 0x2064, 0},
    {0x20D0, 0x20F0, 0},   {0x231A, 0x231B, 2},   {0x23E9, 0x23EC, 2},   {0x25FD, 0x25FE, 2},   {0x2614, 0x2615, 2},   {0x2648, 0x2653, 2},
    {0x26A1, 0x26A1, 2},   {0x26AA, 0x26AB, 2},   {0x26BD, 0x26BE, 2},   {0x26C4, 0x26C5, 2},   {0x2705, 0x2705, 2},   {0x270A, 0x270B, 2},
    {0x2728, 0x2728, 2},   {0x274C, 0x274C, 2},   {0x2753, 0x2755, 2},   {0x2795, 0x2797, 2},   {0x2B1B, 0x2B1C, 2},   {0x2B50, 0x2B50, 2},
    {0x2E80, 0x3029, 2},   {0x302A, 0x302D, 0},   {0x302E, 0x303E, 2},   {0x3041, 0x3098, 2},   {0x3099, 0x309A, 0},   {0x309B, 0x3247, 2},
    {0x3250, 0xA4CF, 2},   {0xA960, 0xA97C, 2},   {0xAC00, 0xD7A3, 2},   {0xF900, 0xFAFF, 2},   {0xFE00, 0xFE0F, 0},   {0xFE10, 0xFE19, 2},
    {0xFE20, 0xFE2F, 0},   {0xFE30, 0xFE6F, 2},   {0xFEFF, 0xFEFF, 0},   {0xFF01, 0xFF60, 2},   {0xFFE0, 0xFFE6, 2},   {0x1F300, 0x1F320, 2},
    {0x1F32D, 0x1F335, 2}, {0x1F337, 0x1F37C, 2}, {0x1F37E, 0x1F393, 2}, {0x1F3A0, 0x1F3CA, 2}, {0x1F3CF, 0x1F3D3, 2}, {0x1F3E0, 0x1F3F0, 2},
    {0x1F3F8, 0x1F43E, 2}, {0x1F440, 0x1F440, 2}, {0x1F442, 0x1F4FC, 2}, {0x1F4FF, 0x1F53D, 2}, {0x1F550, 0x1F567, 2}, {0x1F5FB, 0x1F64F, 2},
    {0x1F680, 0x1F6C5, 2}, {0x1F900, 0x1F9FF, 2}, {0x1FA70, 0x1FAFF, 2}, {0x20000, 0x2FFFD, 2}, {0x30000, 0x3FFFD, 2}, {0xE0001, 0xE007F, 0},
    {0xE0100, 0xE01EF, 0},
};

constexpr char32_t replacement = 0xFFFD;

// The code point that starts at text[i], and how many bytes it takes; U+FFFD and 1 for bytes that are none.
char32_t decode(std::string_view text, std::size_t i, std::size_t& length) {
  const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
  const unsigned lead = byte(i);
  length = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
  if (length == 1) return lead;
  char32_t code = length == 2 ? lead & 0x1F : length == 3 ? lead & 0x0F : lead & 0x07;
  for (std::size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) length = 0;
    code = code << 6 | (byte(i + k) & 0x3F);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  if (length != 0 && !overlong && code < 0x110000 && (code < 0xD800 || code > 0xDFFF)) return code;
  length = 1;
  return replacement;
}

}  // namespace

std::u32string from_utf8(std::string_view text) {
  std::u32string result;
  std::size_t length = 1;
  for (std::size_t i = 0; i < text.size(); i += length) result += decode(text, i, length);
  return result;
}

void append_utf8(std::string& text, char32_t code) {
  const auto put = [&](char32_t bits) { text += static_cast<char>(static_cast<unsigned char>(bits)); };
  const auto tail = [&](int shift) { put(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    tail(6);
    tail(0);
  } else {
    put(0xF0 | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

int cells_of(char32_t code) {
  const auto* range = std::lower_bound(std::begin(ranges), std::end(ranges), code, [](const Range& r, char32_t c) { return r.last < c; });
  return range != std::end(ranges) && code >= range->first ? range->cells : 1;
}

bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

bool is_space(char32_t code) {
  return code == ' ' || (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x1F) || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

std::string thousands(std::int64_t value) {
  std::string digits = std::to_string(value);
  const std::size_t first = value < 0 ? 1 : 0;
  for (std::size_t i = digits.size(); i > first + 3;) digits.insert(i -= 3, ",");
  return digits;
}

std::int64_t cells_of(std::string_view text) {
  std::int64_t sum = 0;
  for (const char32_t code : from_utf8(text)) sum += cells_of(code);
  return sum;
}

std::string printable(std::string_view text) {
  std::string result;
  for (const char32_t code : from_utf8(text)) append_utf8(result, is_control(code) ? 0xFFFD : code);
  return result;
}

}  // namespace linn::detail::core
