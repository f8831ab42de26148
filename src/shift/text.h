// Terminal texts for sweeps, error sources and protocols. Tables and fill_text end with a newline; other texts do not.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linn/shift.h"

namespace linn::shift {

/// The main result in one or two sentences.
std::string verdict(const Sweep& sweep);

/// One line with the fill and its origin; empty if Predictions::fill_origin is empty.
std::string fill_text(const Sweep& sweep);
/// One line with Predictions::method and its reason.
std::string method_text(const Sweep& sweep);

/// One row for each r with the main measures, in percent.
std::string table_by_radius(const Sweep& sweep);

/// A row of the tables of measures.
struct NamedMeasure {
  std::string_view name;
  std::string_view key;  // in JSON (docs/log.md)
  std::string_view about;
  Estimate Measures::*value;
  bool share;  // printed in percent
};
/// All measures, in the order of the tables.
const std::vector<NamedMeasure>& named_measures();
/// "59.76 %", "0.412", "-" for NaN.
std::string value_text(double value, bool share);
/// One row for each measure, with its 95 % interval; empty for radius 0.
std::string table_of_measures(const Sweep& sweep);

/// The error sources as sentences.
std::vector<std::string> error_source_text(const ErrorSources& sources, const Sweep& sweep);
/// Whether a network is invariant by construction; `reason` is the result of `why_not_invariant`.
std::string guarantee_text(const std::optional<std::string>& reason);
/// The result of a protocol, and how its shifts were drawn.
std::string protocol_text(const ProtocolResult& result, const Protocol& protocol);

/// One row for each layer: map, stride and errors.
std::string table_of_layers(const ErrorSources& sources);

/// Breaks text into lines of at most `width` characters, each with `indent` in front. Keeps words and "98.3 %" whole.
std::string wrapped(std::string_view text, std::size_t width, std::string_view indent = "");

}  // namespace linn::shift
