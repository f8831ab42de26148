// JSON with limits and with errors that say where. Objects keep the order of their keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "io/json_object.h"

namespace linn::detail::io {

/// Memory that nlohmann's library cannot do without: from the heap, and where there is none from a reserve of 1 MiB, enough for trees of some 15,000
/// values. std::bad_alloc where that is used up too.
void* take_needed_memory(std::size_t bytes);
void give_back_needed_memory(void* memory, std::size_t bytes) noexcept;

template <class T>
T* take_needed(std::size_t count) {
  if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
  return static_cast<T*>(take_needed_memory(count * sizeof(T)));
}

/// What a Json takes its memory from. A class of its own, so that std::allocator<Json> serves destructors alone (below).
template <class T>
struct JsonMemory {
  using value_type = T;
  // A constructor that is given a list of members loses the object that it has begun if there is no memory for one of them.
  static constexpr bool is_of_members = requires { typename T::first_type; };

  JsonMemory() = default;
  template <class U>
  JsonMemory(const JsonMemory<U>& /*other*/) noexcept {}  // NOLINT(google-explicit-constructor): allocators convert
  T* allocate(std::size_t count) {
    if constexpr (is_of_members)
      return take_needed<T>(count);
    else
      return std::allocator<T>().allocate(count);
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    if constexpr (is_of_members)
      give_back_needed_memory(memory, count * sizeof(T));
    else
      std::allocator<T>().deallocate(memory, count);
  }
  template <class U>
  bool operator==(const JsonMemory<U>& /*other*/) const noexcept {
    return true;
  }
};

using Json = nlohmann::basic_json<JsonObject, std::vector, std::string, bool, std::int64_t, std::uint64_t, double, JsonMemory>;

}  // namespace linn::detail::io

/// The destructor of a Json empties the tree into a std::vector<Json>, lest deep trees overflow the stack, and so it takes memory: where there
/// is none, bad_alloc would end the process.
template <>
struct std::allocator<linn::detail::io::Json> {
  using value_type = linn::detail::io::Json;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using propagate_on_container_move_assignment = std::true_type;
  using is_always_equal = std::true_type;
  allocator() = default;
  template <class U>
  allocator(const std::allocator<U>& /*other*/) noexcept {}  // NOLINT(google-explicit-constructor): allocators convert
  value_type* allocate(std::size_t count) { return linn::detail::io::take_needed<value_type>(count); }
  void deallocate(value_type* memory, std::size_t count) noexcept { linn::detail::io::give_back_needed_memory(memory, count * sizeof(value_type)); }
  template <class U>
  bool operator==(const std::allocator<U>& /*other*/) const noexcept {
    return true;
  }
};

namespace linn::detail::io {

/// Whether it is this text. `value == "text"` makes a Json of the text in a noexcept function of nlohmann's, where memory may be missing.
inline bool is_text(const Json& value, std::string_view text) { return value.is_string() && value.get_ref<const std::string&>() == text; }

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
