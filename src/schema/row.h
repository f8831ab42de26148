// One line of a registry: a described thing with its name, fields and examples.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/visit.h"

namespace linn::detail::schema {

enum class Kind : std::uint8_t { layer, activation, loss, metric, optimizer, schedule, initializer, regularizer, constraint, callback };

/// "layer", "activation", ...
std::string_view name_of(Kind kind);

struct Row {
  Kind kind;
  Info info;
  std::vector<FieldInfo> (*fields)();
  std::span<const Example> examples;
  std::span<const Absent> absent;

  /// Its name or one of its other names.
  bool is_called(std::string_view name) const;
};

/// A row that makes what it describes from Keras's config, by `schema::read`.
template <class Made>
struct RowOf : Row {
  Made (*read)(const io::Json& config, const std::string& where);
};

template <class Config, class Made>
RowOf<Made> make_row(Kind kind, Made (*read)(const io::Json&, const std::string&)) {
  static_assert(std::size(Schema<Config>::examples) > 0, "a row brings at least one example to test it with");
  return {{kind, Schema<Config>::info, &fields_of<Config>, Schema<Config>::examples, absent_of<Config>()}, read};
}

/// The row of a name, or null.
template <class Rows>
auto find_row(const Rows& rows, std::string_view name) -> decltype(&*std::begin(rows)) {
  for (const auto& row : rows)
    if (row.is_called(name)) return &row;
  return nullptr;
}

/// `unknown loss "mess" (did you mean "mse"?); known are ...`, of all rows of a kind.
template <class Rows>
std::vector<std::string_view> names_of(const Rows& rows) {
  std::vector<std::string_view> names;
  for (const auto& row : rows) names.push_back(row.info.name);
  return names;
}
/// `others`: names that are known too, but not listed.
std::string unknown_name(Kind kind, std::string_view name, std::span<const std::string_view> known, std::span<const std::string_view> others = {});

/// In the form of Python: `keras.layers.Conv2D|keras.layers.Convolution2D ( filters, kernel_size, strides=(1, 1), ... )`. Arguments that
/// every layer has stand at the end.
std::string signature(const Row& row);

}  // namespace linn::detail::schema
