// How each type of field is read, written, checked and printed. Rooms to the left add theirs by specialising Type.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "linn/axes.h"
#include "linn/error.h"
#include "linn/shape.h"
#include "linn/types.h"
#include "schema/range.h"

namespace linn::detail::schema {

/// Where a value was found, for messages: `where` and the field's key.
struct Place {
  std::string_view where;
  std::string_view key;
};

[[noreturn]] void refuse(const Place& place, const io::Json& came, std::string_view allowed);

/// read    from JSON, which is not null; throws FormatError for another type
/// write   to JSON, as Keras does
/// fault   what is wrong with a value, such as "it must be 1 or more", or an empty text
/// text    the value in a message
/// python  the value in a Python signature
template <class T>
struct Type;

template <>
struct Type<std::int64_t> {
  static std::int64_t read(const io::Json& json, const Place& place);
  static io::Json write(std::int64_t value) { return value; }
  static std::string fault(std::int64_t value, const Range& range);
  static std::string text(std::int64_t value) { return std::to_string(value); }
  static std::string python(std::int64_t value) { return std::to_string(value); }
};

template <>
struct Type<std::uint64_t> {
  static std::uint64_t read(const io::Json& json, const Place& place);
  static io::Json write(std::uint64_t value) { return value; }
  static std::string fault(std::uint64_t /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(std::uint64_t value) { return std::to_string(value); }
  static std::string python(std::uint64_t value) { return std::to_string(value); }
};

template <>
struct Type<double> {
  static double read(const io::Json& json, const Place& place);
  static io::Json write(double value) { return value; }
  /// Infinities and NaN are never allowed.
  static std::string fault(double value, const Range& range);
  static std::string text(double value);
  static std::string python(double value);
};

template <>
struct Type<bool> {
  static bool read(const io::Json& json, const Place& place);
  static io::Json write(bool value) { return value; }
  static std::string fault(bool /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(bool value) { return value ? "true" : "false"; }
  static std::string python(bool value) { return value ? "True" : "False"; }
};

template <>
struct Type<std::string> {
  static std::string read(const io::Json& json, const Place& place);
  static io::Json write(const std::string& value) { return value; }
  static std::string fault(const std::string& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const std::string& value) { return '"' + value + '"'; }
  static std::string python(const std::string& value) { return value.empty() ? "None" : "'" + value + "'"; }
};

/// A list of numbers; null where it is empty.
template <class T>
struct Type<std::vector<T>> {
  static std::vector<T> read(const io::Json& json, const Place& place) {
    if (!json.is_array()) refuse(place, json, "a list of numbers is allowed");
    std::vector<T> list;
    for (const io::Json& value : json) list.push_back(Type<T>::read(value, place));
    return list;
  }
  static io::Json write(const std::vector<T>& value) { return value.empty() ? io::Json(nullptr) : io::Json(value); }
  static std::string fault(const std::vector<T>& value, const Range& range) {
    for (const T& number : value)
      if (const std::string wrong = Type<T>::fault(number, range); !wrong.empty()) return "each number" + wrong.substr(2);  // in place of "it"
    return {};
  }
  static std::string text(const std::vector<T>& value) { return listed(value, [](const T& number) { return Type<T>::text(number); }); }
  static std::string python(const std::vector<T>& value) {
    return value.empty() ? "None" : listed(value, [](const T& number) { return Type<T>::python(number); });
  }

 private:
  static std::string listed(const std::vector<T>& value, const auto& text) {
    if (value.empty()) return "()";
    std::string list;
    for (const T& number : value) list += (list.empty() ? "(" : ", ") + text(number);
    return list + (value.size() == 1 ? ",)" : ")");
  }
};

/// One number or two; null while unset.
template <>
struct Type<Size2> {
  static Size2 read(const io::Json& json, const Place& place);
  static io::Json write(const Size2& value);
  static std::string fault(const Size2& value, const Range& range);
  static std::string text(const Size2& value);
  static std::string python(const Size2& value) { return value.is_set() ? text(value) : "None"; }
};

/// One number, two, or two of one or two numbers each.
template <>
struct Type<Pads2> {
  static Pads2 read(const io::Json& json, const Place& place);
  static io::Json write(const Pads2& value);
  static std::string fault(const Pads2& value, const Range& range);
  static std::string text(const Pads2& value);
  static std::string python(const Pads2& value) { return text(value); }
};

/// One number or a list of numbers, -8 or more.
template <>
struct Type<Axes> {
  static Axes read(const io::Json& json, const Place& place);
  static io::Json write(const Axes& value) { return value.single() ? io::Json(value.list().front()) : io::Json(value.list()); }
  static std::string fault(const Axes& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const Axes& value);
  static std::string python(const Axes& value) { return text(value); }
};

/// A list of sizes, null where one is left open; one number is a list of one.
template <>
struct Type<Sizes> {
  static Sizes read(const io::Json& json, const Place& place);
  static io::Json write(const Sizes& value);
  static std::string fault(const Sizes& value, const Range& range);
  static std::string text(const Sizes& value);
  static std::string python(const Sizes& value) { return text(value); }
};

/// The shape of one image; in JSON the batch axis comes first.
template <>
struct Type<Shape> {
  static Shape read(const io::Json& json, const Place& place);
  static io::Json write(const Shape& value);
  static std::string fault(const Shape& value, const Range& range);
  static std::string text(const Shape& value) { return value.to_string(); }
  static std::string python(const Shape& value) { return value.empty() ? "None" : value.to_string(); }
};

/// null stands for nothing.
template <class T>
struct Type<std::optional<T>> {
  static std::optional<T> read(const io::Json& json, const Place& place) { return Type<T>::read(json, place); }
  static io::Json write(const std::optional<T>& value) { return value ? Type<T>::write(*value) : io::Json(nullptr); }
  static std::string fault(const std::optional<T>& value, const Range& range) { return value ? Type<T>::fault(*value, range) : std::string(); }
  static std::string text(const std::optional<T>& value) { return value ? Type<T>::text(*value) : "none"; }
  static std::string python(const std::optional<T>& value) { return value ? Type<T>::python(*value) : "None"; }
};

/// A class whose values have names: Choice<Names>, DataFormat.
template <class T>
concept NamedChoice = std::constructible_from<T, const std::string&> && requires(const T& choice) {
  { choice.name() } -> std::convertible_to<std::string_view>;
};

/// A text; throws FormatError for anything else.
const std::string& read_text(const io::Json& json, const Place& place);
/// Calls `make` and turns the ValueError of a name that it does not know into a FormatError that says where.
template <class Make>
auto read_name(const Place& place, Make&& make) {
  try {
    return make();
  } catch (const ValueError& error) {
    throw FormatError(std::string(place.where) + ": " + error.what());
  }
}

template <NamedChoice T>
struct Type<T> {
  static T read(const io::Json& json, const Place& place) {
    return read_name(place, [&] { return T(read_text(json, place)); });
  }
  static io::Json write(const T& value) { return std::string(value.name()); }
  static std::string fault(const T& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const T& value) { return '"' + std::string(value.name()) + '"'; }
  static std::string python(const T& value) {
    // Keras's None stands for the default layout.
    return value.name() == "channels_last" ? "None" : "'" + std::string(value.name()) + "'";
  }
};

/// A name, or pads as numbers: [[1, 2], [3, 4]].
template <>
struct Type<Padding> {
  static Padding read(const io::Json& json, const Place& place);
  static io::Json write(const Padding& value);
  static std::string fault(const Padding& value, const Range& range);
  static std::string text(const Padding& value);
  static std::string python(const Padding& value) { return value.is_explicit() ? text(value) : "'" + std::string(value.name()) + "'"; }
};

}  // namespace linn::detail::schema
