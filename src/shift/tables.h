// Sweeps, error sources and protocol results as JSON and CSV.
#pragma once

#include <string>

#include "io/json.h"
#include "linn/shift.h"

namespace linn::shift {

/// Objects with the keys that docs/log.md lists for `linn shift`. NaN becomes null.
detail::io::Json to_json(const Sweep& sweep);
detail::io::Json to_json(const ErrorSources& sources);
detail::io::Json to_json(const ProtocolResult& result);

/// The text that write_csv writes.
std::string csv_of(const Sweep& sweep);

}  // namespace linn::shift
