#include "layers/one_row.h"

#include <fmt/format.h>

namespace linn::detail::layers {

std::string row_fault(std::string_view key, const Size2& size, double least) {
  if (!size.is_set() || size.height == size.width || static_cast<double>(size.height) == least) return {};
  return fmt::format("{} is {}; a layer over steps takes one number", key, to_string(size));
}

std::string row_fault(std::string_view key, const Padding& padding) {
  const Pads2& pads = padding.pads();
  if (!padding.is_explicit() || pads.height == pads.width || pads.height == Pads1(0)) return {};
  return fmt::format("{} is {}; a layer over steps takes pads before and after: Padding(0, {{before, after}})", key, to_string(pads));
}

Size2 on_one_row(const Size2& size, double least) {
  return size.is_set() ? Size2(static_cast<std::int64_t>(least), size.width) : size;
}

Pads2 on_one_row(const Pads2& pads) { return {Pads1(0), pads.width}; }

Padding on_one_row(const Padding& padding) { return padding.is_explicit() ? Padding(on_one_row(padding.pads()), padding.border()) : padding; }

ActivationFunction on_one_row(const ActivationFunction& activation) {
  using Type = schema::Type<ActivationFunction>;
  io::Json json = Type::write(activation);
  if (!json.is_object() || !json["config"].contains("axis")) return activation;
  const auto shift = [](io::Json& axis) {
    if (axis.get<std::int64_t>() > 0) axis = axis.get<std::int64_t>() + 1;
  };
  io::Json& axes = json["config"]["axis"];
  if (!axes.is_array()) shift(axes);
  else for (io::Json& axis : axes) shift(axis);
  return Type::read(json, {"activation", "axis"});
}

}  // namespace linn::detail::layers

namespace linn::detail::schema {

namespace {

std::string pair_text(const Pads1& pads) { return fmt::format("({}, {})", pads.before, pads.after); }

}  // namespace

layers::RowPads Type<layers::RowPads>::read(const io::Json& json, const Place& place) {
  const auto number = [&](const io::Json& part) { return Type<std::int64_t>::read(part, place); };
  if (!json.is_array()) return {Pads2(number(json))};
  if (json.size() != 2) refuse(place, json, "one number or two are allowed");
  return {Pads2(0, Pads1(number(json[0]), number(json[1])))};
}

std::string Type<layers::RowPads>::fault(const layers::RowPads& value, const Range& range) {
  for (const std::int64_t size : {value.pads.width.before, value.pads.width.after})
    if (!Type<std::int64_t>::fault(size, range).empty()) return fmt::format("both numbers must be {}", to_string(range));
  return {};
}

std::string Type<layers::RowPads>::text(const layers::RowPads& value) { return pair_text(value.pads.width); }

layers::RowPadding Type<layers::RowPadding>::read(const io::Json& json, const Place& place) {
  if (json.is_array()) return {Padding(Type<layers::RowPads>::read(json, place).pads)};
  return {Type<Padding>::read(json, place)};
}

io::Json Type<layers::RowPadding>::write(const layers::RowPadding& value) {
  const bool is_numbers = value.padding.is_explicit() && value.padding.border() == zero_border;
  return is_numbers ? Type<layers::RowPads>::write({value.padding.pads()}) : Type<Padding>::write(value.padding);
}

std::string Type<layers::RowPadding>::fault(const layers::RowPadding& value, const Range& /*range*/) {
  return Type<layers::RowPads>::fault({value.padding.pads()}, at_least(0));
}

std::string Type<layers::RowPadding>::text(const layers::RowPadding& value) {
  return value.padding.is_explicit() ? pair_text(value.padding.pads().width) : Type<Padding>::text(value.padding);
}

}  // namespace linn::detail::schema
