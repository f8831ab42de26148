// Fields of augmentation layers, and the description that they share.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "layers/augment_image.h"
#include "layers/described.h"
#include "layers/window.h"
#include "linn/error.h"
#include "linn/layers/augment.h"
#include "plan/ops/augment.h"

namespace linn::detail::schema {

/// Whole numbers without a point, as Keras writes them; its RandomPosterization takes no others.
inline io::Json number_json(double value) {
  const bool is_whole = std::abs(value) < 0x1p53 && value == std::floor(value);
  return is_whole ? io::Json(static_cast<std::int64_t>(value)) : io::Json(value);
}

/// One number, or a list of two.
template <>
struct Type<Factor> {
  static Factor read(const io::Json& json, const Place& place) {
    if (!json.is_array()) return {Type<double>::read(json, place)};
    if (json.size() != 2) refuse(place, json, "one number or two are allowed");
    return {Type<double>::read(json[0], place), Type<double>::read(json[1], place)};
  }
  static io::Json write(const Factor& value) {
    return value.is_pair() ? io::Json::array({number_json(value.lower()), number_json(value.upper())}) : number_json(value.upper());
  }
  static std::string fault(const Factor& value, const Range& range) {
    for (const double bound : {value.lower(), value.upper()})
      if (std::string wrong = Type<double>::fault(bound, range); !wrong.empty())
        return value.is_pair() ? "both numbers" + wrong.substr(2) : wrong;
    return {};
  }
  static std::string text(const Factor& value) {
    return value.is_pair() ? fmt::format("({}, {})", value.lower(), value.upper()) : Type<double>::text(value.upper());
  }
  static std::string python(const Factor& value) { return value.is_pair() ? text(value) : Type<double>::python(value.upper()); }
};

/// A list of two, sorted.
template <>
struct Type<ValueRange> {
  static ValueRange read(const io::Json& json, const Place& place) {
    if (!json.is_array() || json.size() != 2) refuse(place, json, "a list of two numbers is allowed");
    const Factor sorted(Type<double>::read(json[0], place), Type<double>::read(json[1], place));
    return {sorted.lower(), sorted.upper()};
  }
  static io::Json write(const ValueRange& value) { return io::Json::array({number_json(value.least), number_json(value.most)}); }
  static std::string fault(const ValueRange& value, const Range& /*range*/) {
    for (const double bound : {value.least, value.most})
      if (std::string wrong = Type<double>::fault(bound, {}); !wrong.empty()) return wrong;
    return value.least < value.most ? "" : "the first number must be below the second";
  }
  static std::string text(const ValueRange& value) { return fmt::format("({}, {})", value.least, value.most); }
  static std::string python(const ValueRange& value) { return text(value); }
};

/// One number, or a list of three.
template <>
struct Type<FillValue> {
  static FillValue read(const io::Json& json, const Place& place) {
    if (!json.is_array()) return {Type<double>::read(json, place)};
    if (json.size() != 3) refuse(place, json, "one number or three are allowed");
    return {Type<double>::read(json[0], place), Type<double>::read(json[1], place), Type<double>::read(json[2], place)};
  }
  static io::Json write(const FillValue& value) {
    return value.values().size() == 1 ? io::Json(value.values()[0]) : io::Json(value.values());
  }
  static std::string fault(const FillValue& value, const Range& range) {
    for (const double number : value.values())
      if (std::string wrong = Type<double>::fault(number, range); !wrong.empty()) return wrong;
    return {};
  }
  static std::string text(const FillValue& value) {
    return value.values().size() == 1 ? Type<double>::text(value.values()[0]) : fmt::format("({})", fmt::join(value.values(), ", "));
  }
  static std::string python(const FillValue& value) { return text(value); }
};

}  // namespace linn::detail::schema

namespace linn::detail::layers {

template <class O>
constexpr auto seed_field() {
  return schema::field("seed", &O::seed, "Seed of the draws, besides the model's.");
}
template <class O>
constexpr auto value_range_field() {
  return schema::field("value_range", &O::value_range, "Least and largest value of a pixel.");
}
template <class O>
constexpr auto interpolation_field() {
  return schema::field("interpolation", &O::interpolation, "How pixels between pixels get their values.");
}
template <class O>
constexpr auto fill_mode_field() {
  return schema::field("fill_mode", &O::fill_mode, "What lies beyond the border.");
}
template <class O>
constexpr auto fill_value_field() {
  return schema::field("fill_value", &O::fill_value, "The value beyond the border with \"constant\".");
}

/// The channels that a layer takes.
enum class Channels : std::uint8_t { any, gray_or_color, color };
/// When a layer does anything.
enum class Active : std::uint8_t { in_training, always };

inline void check_channels(Channels channels, const Shape& input, const std::string& where) {
  if (channels == Channels::color && input[2] != 3)
    throw ShapeError(fmt::format("{} takes images of 3 channels; the input is {}", where, input.to_string()));
  if (channels == Channels::gray_or_color && input[2] != 3 && input[2] != 1)
    throw ShapeError(fmt::format("{} takes images of 1 or 3 channels; the input is {}", where, input.to_string()));
}

/// A layer that changes each image alone and keeps its size. `augmentation_of(const Config&)`, in this namespace, says how; where there is
/// a `check_image(const Config&, const Shape&, const std::string& where)` it refuses more images.
template <class Config, Channels channels = Channels::any, Active active = Active::in_training>
class AugmentDescription final : public Described<Config> {
 public:
  using Described<Config>::Described;
  bool waits_for_input() const override { return true; }
  Shape output_shape(const Shape& input, const std::string& where) const override {
    check_map(input, where);
    check_channels(channels, input, where);
    if constexpr (requires { check_image(this->config_, input, where); }) check_image(this->config_, input, where);
    return input;
  }
  plan::Value lower(plan::Lowering& to, plan::Value input, const std::vector<plan::Value>& /*variables*/) const override {
    if (active == Active::in_training && !to.training()) return input;
    std::uint64_t seed = 0;
    if constexpr (requires { this->config_.options.seed; }) seed = this->config_.options.seed.value_or(0);
    return plan::augment(to, input, augmentation_of(this->config_), seed);
  }
  OnMap on_map(std::span<const Shape> /*inputs*/) const override {
    return active == Active::in_training ? OnMap{.kind = OnMap::elementwise} : OnMap{};
  }
  ActivationKind activation() const override { return active == Active::in_training ? ActivationKind::unchanged : ActivationKind::other; }
};

}  // namespace linn::detail::layers
