#include "cli/pixels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "io/json.h"
#include "linn/error.h"
#include "shift/leading_scale.h"

namespace linn::cli {
namespace {

constexpr const char* range_key = "input_range";

// What values stand for. `unknown`: counts, standardized values, and whatever else is not 0..1 in another unit.
enum class Unit : std::uint8_t { share, byte, word, two_sided, unknown };

Unit unit_of(const detail::data::ValueRange& range) {
  constexpr double rounding = 1e-3;
  if (range.least >= 0) {
    if (range.largest <= 1 + rounding) return Unit::share;
    // Fractions within 0..255 are bytes that were resized or averaged, unless all are small.
    if (range.largest <= 255 + rounding && (range.whole || range.largest > 64)) return Unit::byte;
    if (range.largest <= 65535 && range.whole) return Unit::word;
    return Unit::unknown;
  }
  return range.least >= -1 - rounding && range.largest <= 1 + rounding ? Unit::two_sided : Unit::unknown;
}

// share = value * scale + offset.
struct ToShare {
  double scale, offset;
};
ToShare to_share(Unit unit) {
  switch (unit) {
    case Unit::byte: return {1.0 / 255, 0};
    case Unit::word: return {1.0 / 65535, 0};
    case Unit::two_sided: return {0.5, 0.5};
    default: return {1, 0};
  }
}

std::string range_text(const detail::data::ValueRange& range) { return fmt::format("{:.6g} to {:.6g}", range.least, range.largest); }

// Bytes that were divided by 255 in float32 become the same bytes again.
float converted(double value, double scale, double offset) {
  const double result = value * scale + offset;
  const double whole = std::round(result);
  return static_cast<float>(scale > 1 && std::abs(result - whole) < 1e-3 ? whole : result);
}

// Whether values of no known unit may be of the kind that the model knows.
bool alike(const detail::data::ValueRange& range, const detail::data::ValueRange& known) {
  const double width = known.largest - known.least;
  return range.least >= known.least - width && range.largest <= known.largest + width && 16 * (range.largest - range.least) >= width;
}

// The values around the images, as the model sees them.
std::vector<double> background_of(const Model& model, const Tensor& images) {
  if (images.shape().rank() != 3 && images.shape().rank() != 4) return {0};
  return shift::fill_for(model, images.rows(0, std::min<std::int64_t>(images.shape()[0], 1000))).values;
}

}  // namespace

Tensor affine(const Tensor& images, double scale, double offset) {
  const Tensor wide = images.astype(DType::f32);
  Tensor result(images.shape());
  const auto from = wide.values<float>();
  const auto to = result.values<float>();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = converted(static_cast<double>(from[i]), scale, offset);
  return result;
}

std::optional<TrainedOn> trained_on(const Model& model) {
  const auto found = model.metadata().find(range_key);
  if (found == model.metadata().end()) return std::nullopt;
  const std::string where = "the model's input_range";
  const detail::io::Json json = detail::io::parse_json(found->second, where);
  TrainedOn known{{detail::io::number_field(json, "least", where), detail::io::number_field(json, "largest", where),
                   detail::io::bool_field(json, "whole", where)},
                  detail::io::string_field(json, "dtype", where)};
  for (const detail::io::Json& value : detail::io::array_field(json, "background", where)) {
    if (!value.is_number()) throw DataError(fmt::format("{}: \"background\" holds {}; numbers are allowed", where, value.dump()));
    known.background.push_back(value.get<double>());
  }
  if (known.background.empty()) throw DataError(fmt::format("{}: \"background\" is empty; a number for each channel is needed", where));
  return known;
}

void remember_range(Model& model, const Tensor& images, const std::string& where) {
  const detail::data::ValueRange range = detail::data::value_range(images, where);
  model.metadata()[range_key] = detail::io::dump_json({{"least", range.least},
                                               {"largest", range.largest},
                                               {"whole", range.whole},
                                               {"dtype", name_of(images.dtype())},
                                               {"background", background_of(model, images)}});
}

namespace {

// What a model's first layers are made for: what leaves them for bytes, or for shares of 1, must be of a size that networks learn from.
struct MadeFor {
  Unit unit;
  double factor;
};
std::optional<MadeFor> made_for(const Model& model) {
  constexpr double widest = 16;
  const std::optional<shift::LeadingScale> leading = shift::leading_scale(model);
  if (!leading) return std::nullopt;
  const double factor = leading->scale.front();  // channels differ by little
  return MadeFor{std::abs(factor) * 255 <= widest ? Unit::byte : Unit::share, factor};
}

struct Conversion {
  double scale = 1, offset = 0;
};
Conversion conversion(Unit has, Unit wants) {
  const ToShare from = to_share(has), to = to_share(wants);
  return {from.scale / to.scale, (from.offset - to.offset) / to.scale};
}

std::string how(const Conversion& conversion) {
  if (conversion.offset == 0) return fmt::format("multiplied by {}", scale_text(conversion.scale));
  return fmt::format("multiplied by {}, {:+.6g}", scale_text(conversion.scale), conversion.offset);
}

// For a model that does not say what it was trained on.
Pixels as_made_for(const MadeFor& made, const Tensor& images, Unit has, const std::string& came) {
  if (has == Unit::unknown || has == made.unit) return {images, 1, 0, came};
  const Conversion to = conversion(has, made.unit);
  return {affine(images, to.scale, to.offset), to.scale, to.offset,
          fmt::format("{}, {}: the model's first layers multiply by {:.4g}, as is done with values from 0 to {} (--scale 1 leaves them as they are)", came,
                      how(to), made.factor, made.unit == Unit::byte ? 255 : 1)};
}

}  // namespace

double training_scale(const Model& model, const Tensor& images, const std::string& where, const std::string& option) {
  if (!option.empty()) return parse_scale(option, "--scale");
  const detail::data::ValueRange range = detail::data::value_range(images, where);
  const auto made = made_for(model);
  if (!made) return detail::data::pixel_scale(range);
  const Unit has = unit_of(range);
  return has == Unit::byte || has == Unit::share ? conversion(has, made->unit).scale : 1;
}

std::string range_note(const Tensor& images, const std::string& where) {
  return fmt::format("{} from {}", name_of(images.dtype()), range_text(detail::data::value_range(images, where)));
}

Pixels as_trained(const Model& model, const Tensor& images, const std::string& where, const std::string& option, bool picture) {
  const detail::data::ValueRange range = detail::data::value_range(images, where);
  const std::string came = fmt::format("{} from {}", name_of(images.dtype()), range_text(range));
  if (!option.empty()) {
    const double scale = parse_scale(option, "--scale");
    return {affine(images, scale, 0), scale, 0, fmt::format("{}, multiplied by {} (--scale)", came, scale_text(scale))};
  }
  const std::optional<TrainedOn> known = trained_on(model);
  if (!known) {
    if (const auto made = made_for(model)) return as_made_for(*made, images, picture ? Unit::byte : unit_of(range), came);
    const double scale = picture ? 1.0 / 255 : detail::data::pixel_scale(range);
    if (scale == 1) return {images, 1, 0, came};
    return {affine(images, scale, 0), scale, 0,
            fmt::format("{}, multiplied by {}: the model does not say what it was trained on (--scale 1 leaves them as they are)", came,
                        scale_text(scale))};
  }
  const Unit has = picture ? Unit::byte : unit_of(range), wants = unit_of(known->values);
  if (has == wants && (has != Unit::unknown || alike(range, known->values))) return {images, 1, 0, came};
  if (has == Unit::unknown || wants == Unit::unknown) {
    if (wants == Unit::unknown && alike(range, known->values)) return {images, 1, 0, came};
    throw DataError(fmt::format("{}: values from {} came, the model was trained on values from {}, and how one becomes the other is not known; "
                                "convert the images, or give --scale X, which multiplies them",
                                where, range_text(range), range_text(known->values)));
  }
  const Conversion to = conversion(has, wants);
  return {affine(images, to.scale, to.offset), to.scale, to.offset,
          fmt::format("{}, {}: the model was trained on values from {}", came, how(to), range_text(known->values))};
}

shift::Fill fill_around(const Model& model, const Tensor& images, const Pixels& pixels, const std::optional<double>& option) {
  if (option) {
    const double value = *option * pixels.scale + pixels.offset;
    return {.values = {value}, .origin = pixels.scale == 1 && pixels.offset == 0 ? fmt::format("{}, as given", value)
                                                                                : fmt::format("{}, as given and converted like the images", value)};
  }
  const std::optional<TrainedOn> known = trained_on(model);
  if (!known) return shift::fill_for(model, images);
  return {.values = known->background, .origin = fmt::format("{:.6g}, the background that the model was trained on", fmt::join(known->background, ", "))};
}

}  // namespace linn::cli
