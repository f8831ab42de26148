// What a person may have meant by a name that nobody knows.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace linn::detail::core {

/// ` (did you mean "relu"?)`, ready to be put behind a message, or an empty text when no known name is near.
/// Near means: a third of the letters at most are inserted, dropped, changed or swapped with their neighbour
/// (the distance of Damerau and Levenshtein, each place touched once); upper and lower case count as the same letter.
/// Of several equally near names the first wins. Where none is within two letters, names that hold the whole of `name` come before others:
/// ` (did you mean "BinaryCrossentropy" or "CategoricalCrossentropy"?)` for "crossentropy", at most three, the shortest first.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> known);
std::string did_you_mean(std::string_view name, std::span<const std::string> known);

}  // namespace linn::detail::core
