// The table of a described thing's fields.
//
//     template <>
//     struct Schema<DenseConfig> {
//       using C = DenseConfig;
//       using O = DenseOptions;
//       static constexpr Info info{.module = "keras.layers", .name = "Dense", .help = "A fully connected layer over the last axis."};
//       static constexpr auto fields = all(required("units", &C::units, at_least(1), "Outputs."),
//                                          nested(&C::options, field("use_bias", &O::use_bias, "Whether a bias is added."), ...));
//       static constexpr Example examples[] = {{R"({"units": 5})", "(7)"}};
//     };
//
// Optional members:
//   static constexpr Absent absent[]       arguments of Keras that linn does not have
//   static void complete(C&)               gives fields that were left unset their values
//   static std::string fault(const C&)     a rule across several fields: what is wrong, or an empty text
//   static void walk(visit, C&...)         in place of `fields`: the table of another struct, seen otherwise (layers/one_row.h)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "schema/range.h"

namespace linn::detail::schema {

/// Specialised for each struct of options that is described.
template <class T>
struct Schema;

/// What Keras calls the thing.
struct Info {
  std::string_view module;  // "keras.layers"; "linn.layers" for what Keras does not have
  std::string_view name;    // Keras's class name or function name: "Conv2D", "relu"
  std::array<std::string_view, 4> aliases = {};  // other names that mean the same
  std::string_view help;                         // one line
};

/// A configuration to test with: JSON, and the shapes of the inputs it goes with, "(6, 5, 2)", one image each.
struct Example {
  std::string_view config;
  std::string_view inputs = {};
};

/// An argument of Keras that linn does not have. A configuration may hold it when it is null or has this value.
struct Absent {
  std::string_view key;
  std::string_view value = "null";  // as JSON; empty: any value, because another argument decides whether it counts
};

enum class Role : std::uint8_t {
  option,
  own,          // an option that Keras's class lacks: written only where it is not the default
  axis,         // an axis, the batch axis being 0; Keras 2 wrote a list of one
  name,         // the name that the user gave; a model writes the one it uses
  trainable,    // what every layer has
  input_shape,  // of one image; read from Keras 2's batch_input_shape
};

template <class Owner, class T>
struct Field {
  const char* key;
  T Owner::*member;
  Range range;
  const char* help;
  bool required = false;
  Role role = Role::option;
  const char* old_key = nullptr;  // what Keras 2 called it

  constexpr Field called_before(const char* name) const {
    Field field = *this;
    field.old_key = name;
    return field;
  }
};

/// Fields of the struct that they stand in.
template <class... Parts>
struct Group {
  std::tuple<Parts...> parts;
};

/// A struct in a struct.
template <class Owner, class Inner, class... Parts>
struct Nested {
  Inner Owner::*member;
  std::tuple<Parts...> parts;
};

template <class Owner, class T>
constexpr Field<Owner, T> field(const char* key, T Owner::*member, Range range, const char* help) {
  return {key, member, range, help};
}
template <class Owner, class T>
constexpr Field<Owner, T> field(const char* key, T Owner::*member, const char* help) {
  return {key, member, {}, help};
}
/// An option that Keras's class of this name lacks.
template <class Owner, class T>
constexpr Field<Owner, T> own(const char* key, T Owner::*member, Range range, const char* help) {
  return {key, member, range, help, false, Role::own};
}
template <class Owner, class T>
constexpr Field<Owner, T> own(const char* key, T Owner::*member, const char* help) {
  return {key, member, {}, help, false, Role::own};
}
/// A field without a default.
template <class Owner, class T>
constexpr Field<Owner, T> required(const char* key, T Owner::*member, Range range, const char* help) {
  return {key, member, range, help, true};
}
template <class Owner, class T>
constexpr Field<Owner, T> required(const char* key, T Owner::*member, const char* help) {
  return {key, member, {}, help, true};
}
template <class Owner>
constexpr Field<Owner, std::int64_t> axis(const char* key, std::int64_t Owner::*member, const char* help) {
  return {key, member, between(-8, 7), help, false, Role::axis};
}
template <class Owner, class Inner, class... Parts>
constexpr Nested<Owner, Inner, Parts...> nested(Inner Owner::*member, Parts... parts) {
  return {member, {parts...}};
}
template <class... Parts>
constexpr Group<Parts...> all(Parts... parts) {
  return {{parts...}};
}

// ---- every member is named ----------------------------------------------------------------------------------------

namespace members {

// Does not compile unless the struct has exactly so many members: "only 2 names provided ... decomposes into 3 elements".
// The deduced return type makes decltype look into the body.
// clang-format off
template <std::size_t members, class T>
constexpr auto decompose([[maybe_unused]] T& object) {
  static_assert(members <= 26, "a schema holds at most 26 members a struct; add a line here");
  if constexpr (members == 1) { [[maybe_unused]] auto& [a] = object; }
  else if constexpr (members == 2) { [[maybe_unused]] auto& [a, b] = object; }
  else if constexpr (members == 3) { [[maybe_unused]] auto& [a, b, c] = object; }
  else if constexpr (members == 4) { [[maybe_unused]] auto& [a, b, c, d] = object; }
  else if constexpr (members == 5) { [[maybe_unused]] auto& [a, b, c, d, e] = object; }
  else if constexpr (members == 6) { [[maybe_unused]] auto& [a, b, c, d, e, f] = object; }
  else if constexpr (members == 7) { [[maybe_unused]] auto& [a, b, c, d, e, f, g] = object; }
  else if constexpr (members == 8) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h] = object; }
  else if constexpr (members == 9) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i] = object; }
  else if constexpr (members == 10) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j] = object; }
  else if constexpr (members == 11) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k] = object; }
  else if constexpr (members == 12) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l] = object; }
  else if constexpr (members == 13) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = object; }
  else if constexpr (members == 14) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = object; }
  else if constexpr (members == 15) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = object; }
  else if constexpr (members == 16) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = object; }
  else if constexpr (members == 17) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q] = object; }
  else if constexpr (members == 18) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r] = object; }
  else if constexpr (members == 19) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s] = object; }
  else if constexpr (members == 20) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = object; }
  else if constexpr (members == 21) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u] = object; }
  else if constexpr (members == 22) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v] = object; }
  else if constexpr (members == 23) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w] = object; }
  else if constexpr (members == 24) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x] = object; }
  else if constexpr (members == 25) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y] = object; }
  else if constexpr (members == 26) { [[maybe_unused]] auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z] = object; }
  else { static_assert(std::is_empty_v<T>, "the schema names no member of this struct"); }
  return true;
}
// clang-format on

template <class Part>
struct Count {
  static constexpr std::size_t value = 1;
};
template <class... Parts>
struct Count<Group<Parts...>> {
  static constexpr std::size_t value = (Count<Parts>::value + ... + 0);
};

template <class Owner, class T, class Visit, class... Objects>
void walk_part(const Field<Owner, T>& field, Visit& visit, Objects&... objects) {
  visit(field, objects.*field.member...);
}
template <class Visit, class... Parts, class... Objects>
void walk_part(const Group<Parts...>& group, Visit& visit, Objects&... objects);
template <class Owner, class Inner, class... Parts, class Visit, class... Objects>
void walk_part(const Nested<Owner, Inner, Parts...>& nested, Visit& visit, Objects&... objects) {
  static_assert(std::is_same_v<decltype(decompose<(Count<Parts>::value + ... + 0)>(std::declval<Inner&>())), bool>);
  std::apply([&](const auto&... part) { (walk_part(part, visit, objects.*nested.member...), ...); }, nested.parts);
}
template <class Visit, class... Parts, class... Objects>
void walk_part(const Group<Parts...>& group, Visit& visit, Objects&... objects) {
  std::apply([&](const auto&... part) { (walk_part(part, visit, objects...), ...); }, group.parts);
}

template <class T, class... Parts>
void check_members(const Group<Parts...>&) {
  static_assert(std::is_same_v<decltype(decompose<(Count<Parts>::value + ... + 0)>(std::declval<T&>())), bool>);
}

}  // namespace members

/// Calls `visit(field, value...)` for each field of the table, in order, with that field of each object.
template <class Visit, class T, class... More>
void walk(Visit&& visit, T& object, More&... more) {
  using Described = std::remove_const_t<T>;
  if constexpr (requires { Schema<Described>::walk(visit, object, more...); }) {
    Schema<Described>::walk(visit, object, more...);
  } else {
    members::check_members<Described>(Schema<Described>::fields);
    members::walk_part(Schema<Described>::fields, visit, object, more...);
  }
}

}  // namespace linn::detail::schema
