// What the registries say, as text: docs/layers.md and what `linn layers` prints.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/row.h"

namespace linn::detail::layers {

/// All rows of a kind.
std::vector<const schema::Row*> rows(schema::Kind kind);
/// All that are called so: "Identity" is a layer and an initializer.
std::vector<const schema::Row*> rows_called(std::string_view name);

/// The names of all rows of all kinds.
std::vector<std::string_view> names();

/// One line for each row.
std::string overview();
/// A row's signature, what it is, and a line for each argument.
std::string details(const schema::Row& row);
/// The text of docs/layers.md.
std::string page();

}  // namespace linn::detail::layers
