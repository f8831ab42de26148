// Constraints: described, lowered, and written to JSON.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "io/json.h"
#include "linn/constraints.h"
#include "linn/shape.h"
#include "plan/lowering.h"
#include "schema/row.h"

namespace linn {

class ConstraintDescription {
 public:
  virtual ~ConstraintDescription() = default;
  virtual std::string_view class_name() const = 0;
  /// Keras's config.
  virtual detail::io::Json config() const = 0;
  /// What is wrong with a variable of this shape, or an empty text.
  virtual std::string fault(const Shape& shape) const = 0;
  /// Adds the op that changes the variable, whose shape has no fault.
  virtual void lower(detail::plan::Lowering& to, detail::plan::Value variable) const = 0;
};

namespace detail::optim {

/// All constraints, in the order of constraints.inc.
std::span<const schema::RowOf<Constraint>> constraint_rows();

/// Null for none, else Keras's node.
io::Json to_json(const Constraint& constraint);
/// From null, a name or Keras's node. FormatError for what linn does not have.
Constraint constraint_from_json(const io::Json& json, std::string_view where);

}  // namespace detail::optim
}  // namespace linn

template <>
struct linn::detail::schema::Type<linn::Constraint> {
  static Constraint read(const detail::io::Json& json, const Place& place);
  static detail::io::Json write(const Constraint& value) { return detail::optim::to_json(value); }
  static std::string fault(const Constraint& /*value*/, const Range& /*range*/) { return {}; }
  static std::string text(const Constraint& value) { return std::string(value.defined() ? value.class_name() : "none"); }
  static std::string python(const Constraint& value) { return value.defined() ? "'" + std::string(value.class_name()) + "'" : "None"; }
};
