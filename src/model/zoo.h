// The networks that linn knows by name: the notebook's and its relatives, which the demo compares, and those of linn/models.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "linn/model.h"

namespace linn::detail::model {

struct ZooEntry {
  std::string_view name;
  std::string_view title;  // for tables
  std::string_view about;  // a sentence for help texts
  /// Of the images and classes that it was published for.
  std::int64_t size = 28, channels = 1, classes = 10;
  /// Makes one of linn/models.h; null: one of the demo's chains.
  Model (*make)(const Shape& image, std::int64_t classes, const ModelOptions& options) = nullptr;
};

/// All networks, in the order in which tables show them: the demo's first.
std::span<const ZooEntry> zoo();
/// The demo's, which are chains.
std::span<const ZooEntry> demo_networks();
/// The entry of a name. Throws ValueError for an unknown one, listing those there are, with a guess at what was meant.
const ZooEntry& zoo_entry(std::string_view name);

/// A fresh network of any name for images (height, width, channels) and so many classes.
/// Throws ValueError for an unknown name or less than two classes, ShapeError for images that are too small.
Model make_model(std::string_view name, const Shape& image, std::int64_t classes, const ModelOptions& options = {});
/// The same for one of the demo's networks.
Sequential make(std::string_view name, const Shape& image, std::int64_t classes, const ModelOptions& options = {});

}  // namespace linn::detail::model
