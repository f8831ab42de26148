#include "optim/regularizers.h"

#include "optim/described.h"

namespace linn {
namespace detail::schema {

template <>
struct Schema<regularizers::L1> {
  using R = regularizers::L1;
  static constexpr Info info{"keras.regularizers", "L1", {"l1"}, "The sum of absolute values."};
  static constexpr auto fields = all(field("l1", &R::l1, at_least(0), "Factor of the sum of absolute values."));
  static constexpr Example examples[] = {{"{}"}, {R"({"l1": 0.5})"}};
};
template <>
struct Schema<regularizers::L2> {
  using R = regularizers::L2;
  static constexpr Info info{"keras.regularizers", "L2", {"l2"}, "The sum of squares."};
  static constexpr auto fields = all(field("l2", &R::l2, at_least(0), "Factor of the sum of squares."));
  static constexpr Example examples[] = {{"{}"}, {R"({"l2": 0.5})"}};
};
template <>
struct Schema<regularizers::L1L2> {
  using R = regularizers::L1L2;
  static constexpr Info info{"keras.regularizers", "L1L2", {"l1_l2", "L1_L2", "l1l2"}, "The sum of absolute values and the sum of squares."};
  static constexpr auto fields = all(field("l1", &R::l1, at_least(0), "Factor of the sum of absolute values."),
                                     field("l2", &R::l2, at_least(0), "Factor of the sum of squares."));
  static constexpr Example examples[] = {{"{}"}, {R"({"l1": 0.5, "l2": 0.25})"}};
};

template <>
struct Schema<regularizers::OrthogonalRegularizer> {
  using R = regularizers::OrthogonalRegularizer;
  static constexpr Info info{"keras.regularizers", "OrthogonalRegularizer", {"orthogonal_regularizer"}, "How far rows or columns are from orthogonal."};
  static constexpr auto fields = all(field("factor", &R::factor, at_least(0), "Factor of the mean of absolute cosines."),
                                     field("mode", &R::mode, "\"rows\" or \"columns\"."));
  static constexpr Example examples[] = {{"{}"}, {R"({"factor": 0.5, "mode": "columns"})"}};
};

Regularizer Type<Regularizer>::read(const io::Json& json, const Place& place) {
  return optim::regularizer_from_json(json, fmt::format("{}: {}", place.where, place.key));
}

}  // namespace detail::schema

namespace {

using detail::optim::regularizer_rows;
using detail::schema::Kind;

template <class R>
R checked(const R& regularizer) {
  return detail::schema::checked(regularizer, fmt::format("{}:", detail::schema::Schema<R>::info.name));
}

template <class R>
Regularizer read(const detail::io::Json& config, const std::string& where) {
  return Regularizer(detail::schema::read<R>(config, where));
}

}  // namespace

Regularizer::Regularizer(const std::string& name)
    : Regularizer(detail::optim::row_named(Kind::regularizer, regularizer_rows(), name).read(detail::io::Json::object(), name)) {}
Regularizer::Regularizer(const regularizers::L1& regularizer) : class_name_("L1"), l1_(checked(regularizer).l1) {}
Regularizer::Regularizer(const regularizers::L2& regularizer) : class_name_("L2"), l2_(checked(regularizer).l2) {}
Regularizer::Regularizer(const regularizers::L1L2& regularizer)
    : class_name_("L1L2"), l1_(checked(regularizer).l1), l2_(regularizer.l2) {}
Regularizer::Regularizer(const regularizers::OrthogonalRegularizer& regularizer)
    : class_name_("OrthogonalRegularizer"), orthogonal_(checked(regularizer)) {}

namespace detail::optim {

std::span<const schema::RowOf<Regularizer>> regularizer_rows() {
  static const schema::RowOf<Regularizer> rows[] = {
#define LINN_REGULARIZER(name) schema::make_row<regularizers::name>(Kind::regularizer, &read<regularizers::name>),
#include "optim/regularizers.inc"
#undef LINN_REGULARIZER
  };
  return rows;
}

io::Json to_json(const Regularizer& regularizer) {
  if (!regularizer.defined()) return nullptr;
  if (regularizer.orthogonal()) return node("keras.regularizers", regularizer.class_name(), schema::write(*regularizer.orthogonal()));
  io::Json config = io::Json::object();
  if (regularizer.class_name() != "L2") config["l1"] = regularizer.l1();
  if (regularizer.class_name() != "L1") config["l2"] = regularizer.l2();
  return node("keras.regularizers", regularizer.class_name(), config);
}

Regularizer regularizer_from_json(const io::Json& json, std::string_view where) {
  if (json.is_null()) return {};
  const Named regularizer = named(json, where);
  const schema::RowOf<Regularizer>& row = row_in_file(Kind::regularizer, regularizer_rows(), regularizer.name, where);
  return row.read(regularizer.config == nullptr ? io::Json::object() : *regularizer.config, std::string(where));
}

}  // namespace detail::optim
}  // namespace linn
