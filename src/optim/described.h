// What losses, metrics, optimizers and regularizers share: rows of a registry, names, and Keras's node around a configuration.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "linn/error.h"
#include "schema/row.h"

namespace linn::detail::optim {

/// The table of a class without options.
template <class T>
struct NoOptions {
  static constexpr auto fields = schema::all();
  static constexpr schema::Example examples[] = {{"{}"}};
};

/// The row of a name: Keras's class name, its function name ("mean_squared_error") or an alias. ValueError for any other.
template <class Rows>
const auto& row_named(schema::Kind kind, const Rows& rows, std::string_view name) {
  if (const auto* row = schema::find_row(rows, name)) return *row;
  std::vector<std::string_view> known;
  for (const auto& row : rows) known.push_back(row.info.aliases[0].empty() ? row.info.name : row.info.aliases[0]);
  throw ValueError(schema::unknown_name(kind, name, known, schema::names_of(rows)));
}

/// The same for a name in a file: FormatError.
template <class Rows>
const auto& row_in_file(schema::Kind kind, const Rows& rows, std::string_view name, std::string_view where) {
  try {
    return row_named(kind, rows, name);
  } catch (const ValueError& error) {
    throw FormatError(fmt::format("{}: {}", where, error.what()));
  }
}

/// {"module": ..., "class_name": ..., "config": ..., "registered_name": null}.
io::Json node(std::string_view module, std::string_view class_name, io::Json config);
/// The package under which python/keras_layers.py registers what Keras lacks, and what takes more here than in Keras.
inline constexpr std::string_view own_package = "linn>";
/// A node of such a class or function: "registered_name" is its name behind the package.
io::Json own_node(std::string_view module, std::string_view class_name, io::Json config);

/// What a node names and holds. A text is a name alone, and so is a function: {"class_name": "function", "config": "mean_squared_error"}.
struct Named {
  std::string name;
  const io::Json* config = nullptr;  // null for a name alone
};
Named named(const io::Json& json, std::string_view where);

/// Whether a field says nothing that matters to a loss or metric: the type of the numbers, where it is float32.
bool is_ignored(std::string_view key, const io::Json& value);

}  // namespace linn::detail::optim
