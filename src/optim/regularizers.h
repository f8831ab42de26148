// Regularizers: written to JSON. What they compute is plan::penalty.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "io/json.h"
#include "linn/regularizers.h"
#include "schema/row.h"

namespace linn::detail::optim {

std::span<const schema::RowOf<Regularizer>> regularizer_rows();

/// Null for none, else Keras's node.
io::Json to_json(const Regularizer& regularizer);
/// From null, a name or Keras's node. FormatError for what linn does not have.
Regularizer regularizer_from_json(const io::Json& json, std::string_view where);

}  // namespace linn::detail::optim

template <>
struct linn::detail::schema::Type<linn::Regularizer> {
  static Regularizer read(const detail::io::Json& json, const Place& place);
  static detail::io::Json write(const Regularizer& value) { return detail::optim::to_json(value); }
  static std::string fault(const Regularizer& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const Regularizer& value) { return std::string(value.defined() ? value.class_name() : "none"); }
  static std::string python(const Regularizer& value) { return value.defined() ? "'" + std::string(value.class_name()) + "'" : "None"; }
};
