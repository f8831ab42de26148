// What is done with a table of fields, once for everything that has one: reading, writing, checking, comparing, printing.
#pragma once

#include <fmt/format.h>

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/json.h"
#include "linn/error.h"
#include "schema/field.h"
#include "schema/type.h"

namespace linn::detail::schema {

/// What is wrong with the values, "filters is 0; it must be 1 or more", or an empty text. The one place where ranges are checked.
template <class T>
std::string fault_of(const T& object) {
  std::string fault;
  const T defaults{};
  const auto check = [&]<class Member>(const auto& field, const Member& value, const Member& otherwise) {
    if (!fault.empty()) return;
    // Unset is allowed where the default is unset.
    if (!field.required && Type<Member>::write(value) == Type<Member>::write(otherwise)) return;
    if (const std::string wrong = Type<Member>::fault(value, field.range); !wrong.empty())
      fault = fmt::format("{} is {}; {}", field.key, Type<Member>::text(value), wrong);
  };
  walk(check, object, defaults);
  if constexpr (requires { Schema<T>::fault(object); })
    if (fault.empty()) fault = Schema<T>::fault(object);
  return fault;
}

/// Gives fields that were left unset their values.
template <class T>
void complete([[maybe_unused]] T& object) {
  if constexpr (requires { Schema<T>::complete(object); }) Schema<T>::complete(object);
}

/// The options that C++ code gave, completed. Throws ValueError, "WHERE filters is 0; it must be 1 or more", when a rule is broken.
template <class T>
T checked(T object, const std::string& where) {
  if (const std::string fault = fault_of(object); !fault.empty()) throw ValueError(fmt::format("{} {}", where, fault));
  complete(object);
  return object;
}

/// Writes every field under its key, apart from those that the model writes (name, trainable, input_shape) and from options that Keras
/// lacks and that have their defaults.
template <class T>
io::Json write(const T& object) {
  io::Json json = io::Json::object();
  const T defaults{};
  const auto write_field = [&]<class Member>(const auto& field, const Member& value, const Member& otherwise) {
    const bool is_written = field.role == Role::option || field.role == Role::axis ||
                            (field.role == Role::own && Type<Member>::write(value) != Type<Member>::write(otherwise));
    if (is_written) json[field.key] = Type<Member>::write(value);
  };
  walk(write_field, object, defaults);
  return json;
}

template <class T>
bool equal(const T& a, const T& b) {
  return write(a) == write(b);
}

/// The arguments of Keras that a table says linn does not have.
template <class T>
std::span<const Absent> absent_of() {
  if constexpr (requires { Schema<T>::absent; })
    return Schema<T>::absent;
  else
    return {};
}

/// Whether a field that no table names says nothing, for all configurations of a kind.
using Ignored = bool (*)(std::string_view key, const io::Json& value);

/// Refuses the fields that nobody read, unless they say nothing: null, or what `absent` and `ignored` allow.
void refuse_unknown(const io::Json& json, const std::set<std::string, std::less<>>& known, std::span<const Absent> absent, Ignored ignored,
                    const std::string& where);

/// From Keras's config. Every mistake is a FormatError that begins with `where`: a field of another type, a broken rule, a required field
/// that is missing, a field that linn does not have.
template <class T>
T read(const io::Json& json, const std::string& where, Ignored ignored = nullptr) {
  if (!json.is_object()) throw FormatError(fmt::format("{}: {} came, an object is allowed", where, io::describe(json)));
  T object{};
  std::set<std::string, std::less<>> known;
  const auto read_field = [&]<class Member>(const auto& field, Member& value) {
    // The shape of one image is written by Keras 2 alone, with the batch axis.
    const char* key = field.role == Role::input_shape ? field.old_key : field.key;
    const io::Json* found = io::find_field(json, key, where);
    known.insert(key);
    if (field.old_key != nullptr) {
      if (found == nullptr) found = io::find_field(json, field.old_key, where);
      known.insert(field.old_key);
    }
    if (found == nullptr && field.required) throw FormatError(fmt::format("{}: field \"{}\" is missing; it has no default", where, key));
    // Null is a value where a field may be without one: it is not the default of Muon's weight_decay.
    if constexpr (requires { value.reset(); })
      if (found == nullptr && json.contains(key)) value.reset();
    if (found == nullptr) return;
    const bool list_of_one = field.role == Role::axis && found->is_array() && found->size() == 1;
    value = Type<Member>::read(list_of_one ? (*found)[0] : *found, {where, key});
  };
  walk(read_field, object);
  refuse_unknown(json, known, absent_of<T>(), ignored, where);
  if (const std::string fault = fault_of(object); !fault.empty()) throw FormatError(fmt::format("{}: {}", where, fault));
  complete(object);
  return object;
}

/// A field as documentation shows it.
struct FieldInfo {
  std::string key;
  std::string otherwise;  // the default as Python writes it; empty for a required field
  std::string allowed;    // "1 or more"; empty where the type says enough
  std::string help;
  Role role = Role::option;
};

template <class T>
std::vector<FieldInfo> fields_of() {
  std::vector<FieldInfo> list;
  const T defaults{};
  const auto add = [&]<class Member>(const auto& field, const Member& value) {
    list.push_back({field.key, field.required ? std::string() : Type<Member>::python(value), to_string(field.range), field.help, field.role});
  };
  walk(add, defaults);
  return list;
}

}  // namespace linn::detail::schema
