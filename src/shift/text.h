// What a sweep and a blame say, as text for a terminal. Everything ends with a newline but sentences.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linn/shift.h"

namespace linn::shift {

/// What a person wants to know first: a sentence or two.
std::string verdict(const Sweep& sweep);

/// How the numbers were computed, in a line.
std::string words_of_method(const Sweep& sweep);

/// A row for each r: the measures that depend on it most, in percent.
std::string table_by_radius(const Sweep& sweep);

/// One measure for tables: a name for people, the key of docs/log.md, what it is, and whether it is a share (shown in percent).
struct NamedMeasure {
  std::string_view name, key, about;
  Estimate Measures::*value;
  bool share;
};
/// Those that hold for the whole radius, in the order of tables.
const std::vector<NamedMeasure>& named_measures();
/// "59.76 %", "0.412", "-" for NaN.
std::string value_text(double value, bool share);
/// All measures that there are, with intervals; nothing for radius 0.
std::string table_of_measures(const Sweep& sweep);

/// The findings of a blame in words, a sentence or two each.
std::vector<std::string> words_of(const Blame& blame, const Sweep& sweep);
/// Whether a network is invariant by construction, in a sentence; `reason` is that of `why_not_invariant`.
std::string words_on_guarantee(const std::optional<std::string>& reason);
/// What a protocol found and how.
std::string words_of(const ProtocolResult& result, const Protocol& protocol);

/// A row for each layer: its stride and errors.
std::string table_of_layers(const Blame& blame);

/// Lines of at most `width` characters, each indented; words are kept whole, and "98.3 %" together.
std::string wrapped(std::string_view text, std::size_t width, std::string_view indent = "");

}  // namespace linn::shift
