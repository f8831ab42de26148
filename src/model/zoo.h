// The networks that linn knows by name: the notebook's and its relatives.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "linn/model.h"

namespace linn::model {

struct ZooEntry {
  std::string_view name;
  std::string_view title;  // for tables
  std::string_view about;  // a sentence for help texts
};

/// In the order in which tables show them.
std::span<const ZooEntry> zoo();
/// The entry of a name. Throws ValueError for an unknown one, listing those there are, with a guess at what was meant.
const ZooEntry& zoo_entry(std::string_view name);

/// A fresh network for images (height, width, channels) and so many classes.
/// Throws ValueError for an unknown name or less than two classes, ShapeError for images that are too small.
Sequential make(std::string_view name, const Shape& image, std::int64_t classes, const ModelOptions& options = {});

}  // namespace linn::model
