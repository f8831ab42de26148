// What a stream leads to: a terminal or not, how wide it is, whether it shows colour.
#pragma once

#include <cstdio>
#include <string_view>

namespace linn::detail::core {

bool is_terminal(std::FILE* stream);

/// True on a terminal, unless NO_COLOR is set and not empty (https://no-color.org) or TERM is "dumb".
bool use_color(std::FILE* stream);

/// Characters in a line: COLUMNS where it is a number above 0, else what the terminal says, else 80.
int terminal_columns(std::FILE* stream);

/// "linn: PATH: TEXT" on standard error: what somebody should know of a file, though work goes on.
void say_of_file(std::string_view path, std::string_view text);

}  // namespace linn::detail::core
