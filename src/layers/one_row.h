// Layers over steps (steps, channels), derived from layers over maps: such an image is a map of one row, (1, steps, channels). Names, fields,
// checks, variables and ops all come from the layer on maps; a OneRowForm says the rest.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "layers/described.h"
#include "layers/window.h"

namespace linn::detail::layers {

/// What the 1D form of the layer with options `Map` has of its own. Specialised for each, with
///   static constexpr const char* help                   a line of help
///   static constexpr schema::Example examples[]
/// and, where they are needed,
///   static constexpr std::string_view without[]         keys of the 2D layer that the 1D layer does not have
///   static constexpr bool plain_sizes = true            Keras writes sizes as numbers, not as lists of one
///   static constexpr bool takes_causal = true           padding may be "causal"
///   static void set_defaults(Map&)                      defaults that differ from the 2D layer's
template <class Map>
struct OneRowForm;

/// The options of the 1D form: those of the layer on maps. Each Size2 is one number, each Pads2 and each padding in numbers one pair.
template <class Map>
struct OneRowConfig : Map {
  OneRowConfig() {
    if constexpr (requires(Map& map) { OneRowForm<Map>::set_defaults(map); }) OneRowForm<Map>::set_defaults(*this);
  }
  OneRowConfig(Map map) : Map(std::move(map)) {}
};

// ---- fields along the row ----------------------------------------------------------------------------------------

/// A size, pads or padding of a map as the 1D form reads and writes it. `plain`: a number without a list around it.
template <bool plain>
struct RowSize {
  Size2 size;
};
struct RowPads {
  Pads2 pads;
};
struct RowPadding {
  Padding padding = "valid";
};

template <class T, bool plain>
struct AlongRow {
  using type = void;  // not a thing of two axes
};
template <bool plain>
struct AlongRow<Size2, plain> {
  using type = RowSize<plain>;
};
template <bool plain>
struct AlongRow<Pads2, plain> {
  using type = RowPads;
};
template <bool plain>
struct AlongRow<Padding, plain> {
  using type = RowPadding;
};

/// What is wrong with a value that was given for both axes of a map, or an empty text. `least`: the number that means nothing across the row.
std::string row_fault(std::string_view key, const Size2& size, double least);
std::string row_fault(std::string_view key, const Padding& padding);
/// The value for a map of one row.
Size2 on_one_row(const Size2& size, double least);
Pads2 on_one_row(const Pads2& pads);
Padding on_one_row(const Padding& padding);
/// The function on the map: axes of the image are one further back.
ActivationFunction on_one_row(const ActivationFunction& activation);

template <class Map>
constexpr bool is_without(std::string_view key) {
  if constexpr (requires { OneRowForm<Map>::without; })
    for (const std::string_view name : OneRowForm<Map>::without)
      if (name == key) return true;
  return false;
}
template <class Map>
constexpr bool has_plain_sizes = requires { OneRowForm<Map>::plain_sizes; };
template <class Map>
constexpr bool takes_causal = requires { OneRowForm<Map>::takes_causal; };

/// Shows a visitor of the 1D form the fields of the layer on maps.
template <class Map, class Visit>
struct OneRowVisit {
  Visit& visit;

  template <class F, class First, class... More>
  void operator()(const F& field, First& first, More&... more) {
    using Along = typename AlongRow<std::remove_const_t<First>, has_plain_sizes<Map>>::type;
    if (is_without<Map>(field.key)) return;
    if constexpr (std::is_void_v<Along>) {
      visit(field, first, more...);
    } else {
      std::tuple<Along, decltype((void(more), Along{}))...> seen{Along{first}, Along{more}...};
      std::apply([&](auto&... values) { visit(field, values...); }, seen);
      if constexpr (!std::is_const_v<First>) first = member_of(std::get<0>(seen));
    }
  }

 private:
  template <bool plain>
  static const Size2& member_of(const RowSize<plain>& value) {
    return value.size;
  }
  static const Pads2& member_of(const RowPads& value) { return value.pads; }
  static const Padding& member_of(const RowPadding& value) { return value.padding; }
};

// ---- names ---------------------------------------------------------------------------------------------------------

/// The class name and the other names of the layer on maps, with "1D" for "2D".
template <class Map>
struct OneRowNames {
  static constexpr std::size_t count = 1 + std::tuple_size_v<decltype(schema::Info::aliases)>;
  static constexpr std::string_view of_map(std::size_t i) {
    constexpr schema::Info info = schema::Schema<Map>::info;
    if (i == 0) return info.name;
    return info.aliases[i - 1];
  }
  static constexpr std::array<std::array<char, 48>, count> texts = [] {
    std::array<std::array<char, 48>, count> all{};
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t k = 0; k < of_map(i).size(); ++k) all[i][k] = of_map(i).substr(k).starts_with("2D") ? '1' : of_map(i)[k];
    return all;
  }();
  static constexpr std::string_view name(std::size_t i) { return {texts[i].data(), of_map(i).size()}; }
  static constexpr schema::Info info{
      .module = schema::Schema<Map>::info.module, .name = name(0), .aliases = {name(1), name(2), name(3), name(4)}, .help = OneRowForm<Map>::help};
};

template <class Map>
struct OneRowAbsent {};
template <class Map>
  requires requires { schema::Schema<Map>::absent; }
struct OneRowAbsent<Map> {
  static constexpr const auto& absent = schema::Schema<Map>::absent;
};

// ---- the layer -----------------------------------------------------------------------------------------------------

/// The options of the layer on maps that computes the 1D form.
template <class Map>
Map on_maps(Map map) {
  const auto convert = [](const auto& field, auto& value) {
    using T = std::remove_reference_t<decltype(value)>;
    if constexpr (std::is_same_v<T, Size2>)
      value = on_one_row(value, field.range.least);
    else if constexpr (std::is_same_v<T, Pads2> || std::is_same_v<T, Padding> || std::is_same_v<T, ActivationFunction>)
      value = on_one_row(value);
  };
  if constexpr (requires { map.options.data_format; }) map.options.data_format = "channels_last";  // the 1D form moves the axes
  if constexpr (takes_causal<Map>)
    if (map.options.padding.kind() == Padding::causal)
      map.options.padding = Padding(Pads1(0), Pads1((map.kernel_size.width - 1) * map.options.dilation_rate.width, 0));
  schema::walk(convert, map);
  return map;
}

template <class OnMaps>
class OneRow final : public Described<OneRowConfig<typename OnMaps::Config>> {
 public:
  using Config = OneRowConfig<typename OnMaps::Config>;
  explicit OneRow(Config config) : Described<Config>(std::move(config)), layer_(on_maps<typename OnMaps::Config>(this->config_)) {}

  bool waits_for_input() const override { return layer_.waits_for_input(); }
  ActivationKind activation() const override { return layer_.activation(); }
  const LayerDescription* on_one_row_map() const override { return &layer_; }

  /// Where the layer on maps writes less than all layers do, so does this one.
  io::Json config(const std::string& name) const override {
    io::Json json = Described<Config>::config(name);
    if (!layer_.config(name).contains("trainable")) json.erase("trainable");
    return json;
  }

  Shape output_shape(const Shape& input, const std::string& where) const override {
    if (input.rank() != 2) throw ShapeError(fmt::format("{} needs an input of shape (steps, channels); {} came", where, input.to_string()));
    return without_row(layer_.output_shape(map_of(input), where), 3);
  }
  std::vector<VariableSpec> variables(const Shape& input) const override {
    std::vector<VariableSpec> specs = layer_.variables(map_of(input));
    for (VariableSpec& spec : specs) spec.shape = without_row(spec.shape, 4);
    return specs;
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& variables) const override {
    const Shape map = map_of(input.shape);
    const std::vector<VariableSpec> specs = layer_.variables(map);
    std::vector<plan::Value> seen;
    for (std::size_t i = 0; i < specs.size(); ++i) seen.push_back({variables[i].id, specs[i].shape});
    const plan::Value result = layer_.lower(to, {input.id, map}, seen);
    return {result.id, without_row(result.shape, 3)};
  }
  OnMap on_map(std::span<const Shape> inputs) const override {
    const Shape map = map_of(inputs[0]);
    const OnMap on = layer_.on_map({&map, 1});
    return on.kind == OnMap::elementwise ? on : OnMap{};  // the others are of maps of many rows
  }

 private:
  static Shape map_of(const Shape& image) { return {1, image[0], image[1]}; }
  static Shape without_row(const Shape& shape, std::size_t rank) { return shape.rank() == rank ? shape.without_first() : shape; }

  OnMaps layer_;
};

}  // namespace linn::detail::layers

namespace linn::detail::schema {

template <bool plain>
struct Type<layers::RowSize<plain>> {
  using Value = layers::RowSize<plain>;
  static Value read(const io::Json& json, const Place& place) {
    if (json.is_array() && json.size() != 1) refuse(place, json, "one number is allowed");
    return {Size2(Type<std::int64_t>::read(json.is_array() ? json[0] : json, place))};
  }
  static io::Json write(const Value& value) {
    if (!value.size.is_set()) return nullptr;
    return plain ? io::Json(value.size.width) : io::Json::array({value.size.width});
  }
  static std::string fault(const Value& value, const Range& range) { return Type<std::int64_t>::fault(value.size.width, range); }
  static std::string text(const Value& value) { return Type<std::int64_t>::text(value.size.width); }
  static std::string python(const Value& value) { return value.size.is_set() ? text(value) : "None"; }
};

/// One number, or two: before and after.
template <>
struct Type<layers::RowPads> {
  static layers::RowPads read(const io::Json& json, const Place& place);
  static io::Json write(const layers::RowPads& value) { return io::Json::array({value.pads.width.before, value.pads.width.after}); }
  static std::string fault(const layers::RowPads& value, const Range& range);
  static std::string text(const layers::RowPads& value);
  static std::string python(const layers::RowPads& value) { return text(value); }
};

/// A name, or two numbers: before and after.
template <>
struct Type<layers::RowPadding> {
  static layers::RowPadding read(const io::Json& json, const Place& place);
  static io::Json write(const layers::RowPadding& value);
  static std::string fault(const layers::RowPadding& value, const Range& range);
  static std::string text(const layers::RowPadding& value);
  static std::string python(const layers::RowPadding& value) { return value.padding.is_explicit() ? text(value) : "'" + std::string(value.padding.name()) + "'"; }
};

template <class Map>
struct Schema<layers::OneRowConfig<Map>> : layers::OneRowAbsent<Map> {
  using C = layers::OneRowConfig<Map>;
  static constexpr Info info = layers::OneRowNames<Map>::info;
  static constexpr const auto& examples = layers::OneRowForm<Map>::examples;

  template <class Visit, class... Objects>
  static void walk(Visit& visit, Objects&... objects) {
    layers::OneRowVisit<Map, Visit> seen{visit};
    schema::walk(seen, map_of(objects)...);
  }
  static void complete(C& c) { schema::complete(static_cast<Map&>(c)); }
  static std::string fault(const C& c) {
    std::string fault;
    const C defaults{};
    const auto check = [&]<class T>(const auto& field, const T& value, const T& otherwise) {
      if (!fault.empty()) return;
      if (layers::is_without<Map>(field.key) && Type<T>::write(value) != Type<T>::write(otherwise))
        fault = fmt::format("{} is {}; {} has no such option", field.key, Type<T>::text(value), info.name);
      else if constexpr (std::is_same_v<T, Size2>)
        fault = layers::row_fault(field.key, value, field.range.least);
      else if constexpr (std::is_same_v<T, Padding>)
        fault = layers::row_fault(field.key, value);
    };
    schema::walk(check, map_of(c), map_of(defaults));
    // The rules of the layer on maps, for a map of one row.
    if constexpr (requires(const Map& map) { Schema<Map>::fault(map); })
      if (fault.empty()) fault = Schema<Map>::fault(layers::on_maps<Map>(c));
    return fault;
  }

 private:
  static Map& map_of(C& c) { return c; }
  static const Map& map_of(const C& c) { return c; }
};

}  // namespace linn::detail::schema
