#include "schema/type.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace linn::detail::schema {
namespace {

constexpr std::int64_t largest = std::int64_t{1} << 31;  // a size beyond it is a mistake or an attack
constexpr double infinity = std::numeric_limits<double>::infinity();

std::string field_text(const Place& place) { return fmt::format("field \"{}\"", place.key); }

std::int64_t integer(const io::Json& json, const Place& place) { return io::as_integer(json, place.where, field_text(place)); }

Range bounded(const Range& range) { return range.most == infinity ? Range{range.least, static_cast<double>(largest), range.least_open, false} : range; }

// "must be 1 or more", or an empty text when the value is allowed.
std::string demand(std::int64_t value, const Range& range) {
  if (bounded(range).holds(static_cast<double>(value))) return {};
  // The bound that nobody meets by accident is named to those who pass it.
  return "must be " + to_string(value > largest ? bounded(range) : range);
}

}  // namespace

std::string to_string(const Range& range) {
  if (range.least == -infinity && range.most == infinity) return {};
  if (range.most == infinity) return fmt::format("{}{}{}", range.least_open ? "above " : "", range.least, range.least_open ? "" : " or more");
  if (range.least == -infinity) return fmt::format("{}{}{}", range.most_open ? "below " : "", range.most, range.most_open ? "" : " or less");
  if (range.least_open || range.most_open)
    return fmt::format("in {}{}, {}{}", range.least_open ? '(' : '[', range.least, range.most, range.most_open ? ')' : ']');
  return fmt::format("{} to {}", range.least, range.most);
}

void refuse(const Place& place, const io::Json& came, std::string_view allowed) {
  throw FormatError(fmt::format("{}: field \"{}\": {} came, {}", place.where, place.key, io::describe(came), allowed));
}

// ---- numbers ------------------------------------------------------------------------------------------------------

std::int64_t Type<std::int64_t>::read(const io::Json& json, const Place& place) { return integer(json, place); }

std::string Type<std::int64_t>::fault(std::int64_t value, const Range& range) {
  const std::string wrong = demand(value, range);
  return wrong.empty() ? wrong : "it " + wrong;
}

std::uint64_t Type<std::uint64_t>::read(const io::Json& json, const Place& place) {
  return static_cast<std::uint64_t>(io::as_integer(json, place.where, field_text(place), 0));
}

double Type<double>::read(const io::Json& json, const Place& place) { return io::as_number(json, place.where, field_text(place)); }

std::string Type<double>::fault(double value, const Range& range) {
  if (std::isfinite(value) && range.holds(value)) return {};
  const std::string allowed = to_string(range);
  return fmt::format("it must be {}", allowed.empty() ? "a finite number" : allowed);
}

std::string Type<double>::text(double value) { return fmt::format("{}", value); }

std::string Type<double>::python(double value) {
  const std::string text = fmt::format("{}", value);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

bool Type<bool>::read(const io::Json& json, const Place& place) {
  if (!json.is_boolean()) refuse(place, json, "true or false is allowed");
  return json.get<bool>();
}

const std::string& read_text(const io::Json& json, const Place& place) {
  if (!json.is_string()) refuse(place, json, "a text is allowed");
  return json.get_ref<const std::string&>();
}

std::string Type<std::string>::read(const io::Json& json, const Place& place) { return read_text(json, place); }

// ---- pairs --------------------------------------------------------------------------------------------------------

Size2 Type<Size2>::read(const io::Json& json, const Place& place) {
  if (!json.is_array()) return {integer(json, place)};
  if (json.size() != 2) refuse(place, json, "one number or two are allowed");
  return {integer(json[0], place), integer(json[1], place)};
}

io::Json Type<Size2>::write(const Size2& value) {
  return value.is_set() ? io::Json::array({value.height, value.width}) : io::Json(nullptr);
}

std::string Type<Size2>::fault(const Size2& value, const Range& range) {
  for (const std::int64_t size : {value.height, value.width})
    if (const std::string wrong = demand(size, range); !wrong.empty()) return "both numbers " + wrong;
  return {};
}

std::string Type<Size2>::text(const Size2& value) { return fmt::format("({}, {})", value.height, value.width); }

Pads2 Type<Pads2>::read(const io::Json& json, const Place& place) {
  const auto check_pair = [&](const io::Json& pair) {
    if (pair.size() != 2) refuse(place, pair, "one number or two are allowed");
  };
  const auto ends = [&](const io::Json& side) {
    if (!side.is_array()) return Pads1(integer(side, place));
    check_pair(side);
    return Pads1(integer(side[0], place), integer(side[1], place));
  };
  if (!json.is_array()) return {integer(json, place)};
  check_pair(json);
  return {ends(json[0]), ends(json[1])};
}

io::Json Type<Pads2>::write(const Pads2& value) {
  const auto list = [](const Pads1& pads) { return io::Json::array({pads.before, pads.after}); };
  return io::Json::array({list(value.height), list(value.width)});
}

std::string Type<Pads2>::fault(const Pads2& value, const Range& range) {
  for (const std::int64_t size : {value.height.before, value.height.after, value.width.before, value.width.after})
    if (const std::string wrong = demand(size, range); !wrong.empty()) return "each of the four numbers " + wrong;
  return {};
}

std::string Type<Pads2>::text(const Pads2& value) {
  return fmt::format("(({}, {}), ({}, {}))", value.height.before, value.height.after, value.width.before, value.width.after);
}

Padding Type<Padding>::read(const io::Json& json, const Place& place) {
  if (json.is_array()) return Type<Pads2>::read(json, place);
  if (json.is_object()) {
    if (json.size() != 2 || !json.contains("pads") || !json.contains("border")) refuse(place, json, "an object needs \"pads\" and \"border\" alone");
    return {Type<Pads2>::read(json["pads"], place), read_name(place, [&] { return BlurBorder(read_text(json["border"], place)); })};
  }
  return read_name(place, [&] { return Padding(read_text(json, place)); });
}

io::Json Type<Padding>::write(const Padding& value) {
  if (!value.is_explicit()) return std::string(value.name());
  const io::Json pads = Type<Pads2>::write(value.pads());
  return value.border() == zero_border ? pads : io::Json{{"pads", pads}, {"border", std::string(value.border().name())}};
}

std::string Type<Padding>::fault(const Padding& value, const Range& /*range*/) { return Type<Pads2>::fault(value.pads(), at_least(0)); }

std::string Type<Padding>::text(const Padding& value) {
  if (!value.is_explicit()) return '"' + std::string(value.name()) + '"';
  const std::string pads = Type<Pads2>::text(value.pads());
  return value.border() == zero_border ? pads : fmt::format("{} \"{}\"", pads, value.border().name());
}

// ---- axes and shapes -------------------------------------------------------------------------------------------------------

Axes Type<Axes>::read(const io::Json& json, const Place& place) {
  constexpr auto least = -static_cast<std::int64_t>(Shape::max_rank);
  const auto number = [&](const io::Json& axis) { return io::as_integer(axis, place.where, field_text(place), least, largest); };
  if (!json.is_array()) return Axes(number(json));
  if (json.size() > Shape::max_rank) refuse(place, json, fmt::format("at most {} numbers are allowed", Shape::max_rank));
  std::vector<std::int64_t> list;
  for (const io::Json& axis : json) list.push_back(number(axis));
  return Axes(std::move(list));
}

std::string Type<Axes>::text(const Axes& value) {
  return value.single() ? std::to_string(value.list().front()) : fmt::format("({})", fmt::join(value.list(), ", "));
}

Sizes Type<Sizes>::read(const io::Json& json, const Place& place) {
  if (!json.is_array()) return {integer(json, place)};
  if (json.size() > Shape::max_rank) refuse(place, json, fmt::format("at most {} sizes are allowed", Shape::max_rank));
  std::vector<std::int64_t> list;
  for (const io::Json& size : json) list.push_back(size.is_null() ? 0 : io::as_integer(size, place.where, field_text(place), 1, largest));
  return Sizes(std::move(list));
}

io::Json Type<Sizes>::write(const Sizes& value) {
  io::Json list = io::Json::array();
  for (const std::int64_t size : value.list()) list.push_back(size == 0 ? io::Json(nullptr) : io::Json(size));
  return list;
}

std::string Type<Sizes>::fault(const Sizes& value, const Range& /*range*/) {
  for (const std::int64_t size : value.list())
    if (size < 0 || size > largest) return "every size must be 1 or more, or None (0) where it is left open";
  return {};
}

std::string Type<Sizes>::text(const Sizes& value) {
  std::string text;
  for (const std::int64_t size : value.list()) text += (text.empty() ? "" : ", ") + (size == 0 ? std::string("None") : std::to_string(size));
  return "(" + text + (value.list().size() == 1 ? ",)" : ")");
}

Shape Type<Shape>::read(const io::Json& json, const Place& place) {
  if (!json.is_array() || json.empty() || json.size() > Shape::max_rank)
    refuse(place, json, fmt::format("1 to {} sizes are allowed", Shape::max_rank));
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 1; i < json.size(); ++i)
    sizes.push_back(json[i].is_null() ? Shape::none : io::as_integer(json[i], place.where, fmt::format("{}[{}]", place.key, i), 1, largest));
  return Shape(std::span<const std::int64_t>(sizes));
}

io::Json Type<Shape>::write(const Shape& value) {
  io::Json list = io::Json::array({nullptr});
  for (const std::int64_t size : value) list.push_back(size == Shape::none ? io::Json(nullptr) : io::Json(size));
  return list;
}

std::string Type<Shape>::fault(const Shape& value, const Range& /*range*/) {
  for (const std::int64_t size : value)
    if (size < 1 && size != Shape::none) return "every size must be 1 or more, or None (Shape::none) where it is left open";
  return {};
}

}  // namespace linn::detail::schema
