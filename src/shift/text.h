// Sweeps, error sources and protocols as text for a terminal. Tables end with a newline, sentences do not.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linn/shift.h"

namespace linn::shift {

/// The main result in one or two sentences.
std::string verdict(const Sweep& sweep);

/// The value that came in at the border and its origin, one line; empty where it is not known.
std::string fill_text(const Sweep& sweep);
/// Predictions::method with its reason, one line.
std::string method_text(const Sweep& sweep);

/// One row for each r with the main measures, in percent.
std::string table_by_radius(const Sweep& sweep);

/// One measure for tables: its name, its key in JSON (docs/log.md), a description, and whether it is a share (shown in percent).
struct NamedMeasure {
  std::string_view name, key, about;
  Estimate Measures::*value;
  bool share;
};
/// All of them, in the order of tables.
const std::vector<NamedMeasure>& named_measures();
/// "59.76 %", "0.412", "-" for NaN.
std::string value_text(double value, bool share);
/// All measures with intervals; empty for radius 0.
std::string table_of_measures(const Sweep& sweep);

/// The error sources as sentences.
std::vector<std::string> error_source_text(const ErrorSources& sources, const Sweep& sweep);
/// Whether a network is invariant by construction; `reason` is the result of `why_not_invariant`.
std::string guarantee_text(const std::optional<std::string>& reason);
/// A protocol's result and its draws.
std::string protocol_text(const ProtocolResult& result, const Protocol& protocol);

/// One row for each layer: map, stride and errors.
std::string table_of_layers(const ErrorSources& sources);

/// Breaks text into indented lines of at most `width` characters, never inside a word or "98.3 %".
std::string wrapped(std::string_view text, std::size_t width, std::string_view indent = "");

}  // namespace linn::shift
