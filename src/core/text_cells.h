// Text as a terminal shows it: code points, and the columns that each takes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace linn::detail::core {

/// Bytes that are no UTF-8 become U+FFFD, one each.
std::u32string from_utf8(std::string_view text);
void append_utf8(std::string& text, char32_t code);

/// 0 for combining and invisible characters, 2 for East Asian wide ones and most pictures, else 1. A table of whole blocks:
/// exact for the scripts in common use, 1 for rare ones.
int cells_of(char32_t code);

/// Of all its code points together.
std::int64_t cells_of(std::string_view text);

/// Whether it is a control character, which a terminal would obey instead of showing it.
bool is_control(char32_t code);
/// White space as Python's str.isspace sees it.
bool is_space(char32_t code);

/// 60000 as "60,000".
std::string thousands(std::int64_t value);

/// `text` with U+FFFD in place of what a terminal would obey.
std::string printable(std::string_view text);

}  // namespace linn::detail::core
