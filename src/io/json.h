// JSON with limits and with errors that say where. Objects keep the order of their keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

namespace linn::detail::io {

using Json = nlohmann::ordered_json;

struct JsonLimits {
  std::size_t bytes = std::size_t{64} << 20;
  std::size_t depth = 64;
  /// Values of all kinds together. A value of two bytes of text takes sixteen in memory.
  std::size_t values = std::size_t{4} << 20;
};

/// Parses one JSON text (RFC 8259). Refused with FormatError "NAME:LINE:COLUMN: ...": what is no JSON, NaN and Infinity, a key
/// twice in one object, text that is no UTF-8, integers outside 64 bits with sign, numbers too large for a double, and more
/// than the limits. Columns count bytes.
Json parse_json(std::string_view text, std::string_view name, const JsonLimits& limits = {});

/// The text of a value; `indent` below 0 puts all on one line. Throws ValueError for NaN, infinities and text that is no UTF-8,
/// none of which JSON has.
std::string dump_json(const Json& value, int indent = -1);

/// A number as JSON; null for NaN and infinities, which JSON does not have.
Json number(double value);

// Fields of an object, with errors such as
//   config.json: layer "conv2d": field "filters": "many" came, an integer from 1 to 65536 is allowed
// `where` is the part before "field". Those without a default throw FormatError when the field is missing, all of them when
// its type is another.

/// What a value is, for messages: its text if it is short, otherwise its type.
std::string describe(const Json& value);

/// The field, of any type.
const Json& field(const Json& object, std::string_view key, std::string_view where);
/// The field, or null when it is missing or null.
const Json* find_field(const Json& object, std::string_view key, std::string_view where);

const Json& object_field(const Json& object, std::string_view key, std::string_view where);
const Json& array_field(const Json& object, std::string_view key, std::string_view where);
const std::string& string_field(const Json& object, std::string_view key, std::string_view where);
bool bool_field(const Json& object, std::string_view key, std::string_view where);
double number_field(const Json& object, std::string_view key, std::string_view where);
/// 3.0 is taken as 3.
std::int64_t integer_field(const Json& object, std::string_view key, std::string_view where,
                           std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                           std::int64_t most = std::numeric_limits<std::int64_t>::max());

/// With a default for a field that is missing or null.
std::string string_field_or(const Json& object, std::string_view key, std::string_view where, std::string_view otherwise);
bool bool_field_or(const Json& object, std::string_view key, std::string_view where, bool otherwise);
double number_field_or(const Json& object, std::string_view key, std::string_view where, double otherwise);
std::int64_t integer_field_or(const Json& object, std::string_view key, std::string_view where, std::int64_t otherwise,
                              std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                              std::int64_t most = std::numeric_limits<std::int64_t>::max());

/// A text out of a closed set.
const std::string& choice_field(const Json& object, std::string_view key, std::string_view where,
                                std::span<const std::string_view> allowed);

/// A value that is not inside an object, for elements of arrays: `what` stands where the field's name would.
std::int64_t as_integer(const Json& value, std::string_view where, std::string_view what,
                        std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                        std::int64_t most = std::numeric_limits<std::int64_t>::max());
double as_number(const Json& value, std::string_view where, std::string_view what);

/// Throws FormatError for a key that is not among `known`, with a suggestion.
void check_keys(const Json& object, std::span<const std::string_view> known, std::string_view where);

}  // namespace linn::detail::io
