#include "optim/constraints.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "optim/described.h"
#include "plan/ops/constrain.h"

namespace linn {
namespace detail::schema {

template <class C>
constexpr auto norm_axis() {
  return field("axis", &C::axis, "The axes along which a norm is taken.");
}

template <>
struct Schema<constraints::MaxNorm> {
  using C = constraints::MaxNorm;
  static constexpr Info info{"keras.constraints", "MaxNorm", {"max_norm"}, "Scales norms down to a largest one."};
  static constexpr auto fields = all(field("max_value", &C::max_value, at_least(0), "The largest norm."), norm_axis<C>());
  static constexpr Example examples[] = {{"{}"}, {R"({"max_value": 0.5, "axis": [0, 1]})"}};
};
template <>
struct Schema<constraints::NonNeg> : optim::NoOptions<constraints::NonNeg> {
  static constexpr Info info{"keras.constraints", "NonNeg", {"non_neg", "nonneg"}, "Makes negative weights 0."};
};
template <>
struct Schema<constraints::UnitNorm> {
  using C = constraints::UnitNorm;
  static constexpr Info info{"keras.constraints", "UnitNorm", {"unit_norm"}, "Scales norms to 1."};
  static constexpr auto fields = all(norm_axis<C>());
  static constexpr Example examples[] = {{"{}"}, {R"({"axis": [0, 1]})"}};
};
template <>
struct Schema<constraints::MinMaxNorm> {
  using C = constraints::MinMaxNorm;
  static constexpr Info info{"keras.constraints", "MinMaxNorm", {"min_max_norm"}, "Moves norms towards a range."};
  static constexpr auto fields =
      all(field("min_value", &C::min_value, at_least(0), "The smallest norm."),
          field("max_value", &C::max_value, at_least(0), "The largest norm."),
          field("rate", &C::rate, between(0, 1), "Share of the way that a norm goes in one step; 1: all of it."), norm_axis<C>());
  static constexpr Example examples[] = {{"{}"}, {R"({"min_value": 0.25, "max_value": 0.75, "rate": 0.5, "axis": 1})"}};
  static std::string fault(const C& c) {
    if (c.min_value <= c.max_value) return {};
    return fmt::format("min_value is {} and max_value {}; min_value must not be above max_value", c.min_value, c.max_value);
  }
};

Constraint Type<Constraint>::read(const io::Json& json, const Place& place) {
  return optim::constraint_from_json(json, fmt::format("{}: {}", place.where, place.key));
}

}  // namespace detail::schema

namespace {

using detail::optim::constraint_rows;
using detail::schema::Kind;
using detail::schema::Schema;

// ---- what a norm becomes ----

double wanted_norm(const constraints::MaxNorm& c, double norm) { return std::clamp(norm, 0.0, c.max_value); }
double wanted_norm(const constraints::UnitNorm&, double) { return 1; }
double wanted_norm(const constraints::MinMaxNorm& c, double norm) {
  return c.rate * std::clamp(norm, c.min_value, c.max_value) + (1 - c.rate) * norm;
}

template <class C>
class DescribedConstraint final : public ConstraintDescription {
 public:
  explicit DescribedConstraint(const C& constraint)
      : constraint_(detail::schema::checked(constraint, fmt::format("{}:", Schema<C>::info.name))) {}

  std::string_view class_name() const override { return Schema<C>::info.name; }
  detail::io::Json config() const override { return detail::schema::write(constraint_); }

  std::string fault([[maybe_unused]] const Shape& shape) const override {
    if constexpr (requires { constraint_.axis; }) {
      const auto rank = static_cast<std::int64_t>(shape.rank());
      if (constraint_.axis.empty()) return "axis names no axis";
      for (const std::int64_t axis : constraint_.axis.list())
        if (axis < -rank || axis >= rank) return fmt::format("axis {} is outside of a variable of {} axes", axis, rank);
    }
    return {};
  }

  void lower(detail::plan::Lowering& to, detail::plan::Value variable) const override {
    if constexpr (requires { constraint_.axis; }) {
      std::vector<std::size_t> axes;
      const auto rank = static_cast<std::int64_t>(variable.shape.rank());
      for (const std::int64_t axis : constraint_.axis.list()) axes.push_back(static_cast<std::size_t>(axis < 0 ? axis + rank : axis));
      detail::plan::scale_norms(to, variable, std::move(axes), [c = constraint_](double norm) { return wanted_norm(c, norm); });
    } else {
      detail::plan::keep_not_negative(to, variable);
    }
  }

 private:
  C constraint_;
};

template <class C>
Constraint read(const detail::io::Json& config, const std::string& where) {
  return Constraint(detail::schema::read<C>(config, where));
}

}  // namespace

namespace constraints {
template <class T>
std::shared_ptr<const ConstraintDescription> describe(const T& constraint) {
  return std::make_shared<DescribedConstraint<T>>(constraint);
}
#define LINN_CONSTRAINT(name) template std::shared_ptr<const ConstraintDescription> describe(const name&);
#include "optim/constraints.inc"
#undef LINN_CONSTRAINT
}  // namespace constraints

Constraint::Constraint(const std::string& name)
    : Constraint(detail::optim::row_named(Kind::constraint, constraint_rows(), name).read(detail::io::Json::object(), name)) {}
std::string_view Constraint::class_name() const { return defined() ? description_->class_name() : std::string_view(); }

namespace detail::optim {

std::span<const schema::RowOf<Constraint>> constraint_rows() {
  static const schema::RowOf<Constraint> rows[] = {
#define LINN_CONSTRAINT(name) schema::make_row<constraints::name>(Kind::constraint, &read<constraints::name>),
#include "optim/constraints.inc"
#undef LINN_CONSTRAINT
  };
  return rows;
}

io::Json to_json(const Constraint& constraint) {
  if (!constraint.defined()) return nullptr;
  return node("keras.constraints", constraint.class_name(), constraint.description().config());
}

Constraint constraint_from_json(const io::Json& json, std::string_view where) {
  if (json.is_null()) return {};
  const Named constraint = named(json, where);
  const schema::RowOf<Constraint>& row = row_in_file(Kind::constraint, constraint_rows(), constraint.name, where);
  return row.read(constraint.config == nullptr ? io::Json::object() : *constraint.config, fmt::format("{}: {}", where, row.info.name));
}

}  // namespace detail::optim
}  // namespace linn
