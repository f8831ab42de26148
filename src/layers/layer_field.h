// A layer among the options of another layer.
#pragma once

#include <string>

#include "io/json.h"
#include "linn/layer.h"
#include "schema/type.h"

namespace linn::detail::layers {

/// The name given to it, or its class in snake case.
std::string name_of(const Layer& layer);
/// Keras's node of a layer, {"class_name", "config"}, under this name.
io::Json layer_node(const Layer& layer, const std::string& name);

}  // namespace linn::detail::layers

/// A node, {"class_name", "config"}. FormatError for a class that linn does not have.
template <>
struct linn::detail::schema::Type<linn::Layer> {
  static Layer read(const io::Json& json, const Place& place);
  static io::Json write(const Layer& value);
  static std::string fault(const Layer& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const Layer& value) { return std::string(value.class_name()); }
  static std::string python(const Layer& value) { return text(value); }
};
