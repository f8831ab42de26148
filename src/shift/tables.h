// What a sweep, a sources and a protocol found, for programs: JSON and CSV.
#pragma once

#include <string>

#include "io/json.h"
#include "linn/shift.h"

namespace linn::shift {

/// The keys of docs/log.md for `linn shift`; NaN is null.
io::Json to_json(const Sweep& sweep);
io::Json to_json(const ErrorSources& sources);
io::Json to_json(const ProtocolResult& result);

/// What write_csv writes.
std::string csv_of(const Sweep& sweep);

}  // namespace linn::shift
