// What the registries say, as text: docs/layers.md and what `linn layers` prints.
#pragma once

#include <string>
#include <vector>

#include "schema/row.h"

namespace linn::detail::layers {

/// All rows of a kind; none where the kind has no registry yet.
std::vector<const schema::Row*> rows(schema::Kind kind);

/// One line for each layer and activation function.
std::string overview();
/// A row's signature, what it is, and a line for each argument.
std::string details(const schema::Row& row);
/// The text of docs/layers.md.
std::string page();

}  // namespace linn::detail::layers
