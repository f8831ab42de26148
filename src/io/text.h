// Texts from files: made fit for a message, and compared.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "linn/error.h"

namespace linn::detail::io {

/// `text` in double quotes, with quotes, backslashes, control bytes and bytes above 126 as escapes, cut after `longest` bytes.
/// A name from a file can so not move the cursor, colour the terminal or fill the screen.
std::string quote(std::string_view text, std::size_t longest = 80);

/// The letters A to Z as a to z; all other bytes as they are.
std::string lower_case(std::string_view text);

/// Throws FormatError with the text "WHERE: MESSAGE".
template <class... Args>
[[noreturn]] void format_error(std::string_view where, fmt::format_string<Args...> message, Args&&... args) {
  throw FormatError(fmt::format("{}: {}", where, fmt::format(message, std::forward<Args>(args)...)));
}

}  // namespace linn::detail::io
