// Chooses the fill: the background of the images, else the value that the model's leading layers map to 0.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "linn/shift.h"
#include "shift/charts.h"
#include "shift/leading_scale.h"
#include "shift/shifted_input.h"

namespace linn::shift {
namespace {

constexpr double background_share = 0.5;  // least share of edge pixels with the background's value

std::vector<double> values_of(const Tensor& images, const std::string& pixel) {
  const std::int64_t channels = frames(images).channels;
  Tensor one({channels}, images.dtype());
  std::memcpy(one.raw(), pixel.data(), pixel.size());
  const Tensor wide = one.astype(DType::f64);
  return {wide.values<double>().begin(), wide.values<double>().end()};
}

// "0", "255, 255, 255".
std::string text_of(const std::vector<double>& values) {
  if (std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; })) return fmt::format("{:.6g}", values[0]);
  std::string text;
  for (const double value : values) text += fmt::format("{}{:.6g}", text.empty() ? "" : ", ", value);
  return text;
}

// The most frequent pixel value at the edges of the images; empty if its share is below background_share.
Fill background_of(const Tensor& images) {
  const Frames from = frames(images);
  const auto* src = reinterpret_cast<const char*>(images.raw());
  std::map<std::string, std::int64_t> counts;
  std::int64_t all = 0;
  for (std::int64_t i = 0; i < from.images; ++i)
    for (std::int64_t y = 0; y < from.height; ++y) {
      const bool edge_row = y == 0 || y == from.height - 1;
      for (std::int64_t x = 0; x < from.width; x += edge_row ? 1 : std::max<std::int64_t>(1, from.width - 1)) {
        ++counts[std::string(src + static_cast<std::size_t>((i * from.height + y) * from.width + x) * from.pixel, from.pixel)];
        ++all;
      }
    }
  const auto most = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end() || static_cast<double>(most->second) < background_share * static_cast<double>(all)) return {};
  const double share = static_cast<double>(most->second) / static_cast<double>(all);
  const std::vector<double> values = values_of(images, most->first);
  return {.values = values,
          .origin = fmt::format("{}, the background of the images ({} % of their edge pixels)", text_of(values), percent(share))};
}

// For each channel the value that the leading layers map to 0; 0 where they map every value to one.
std::vector<double> zero_of(const LeadingScale& leading) {
  std::vector<double> values;
  for (std::size_t c = 0; c < leading.scale.size(); ++c)
    values.push_back(leading.scale[c] == 0 ? 0 : -leading.offset[c] / leading.scale[c]);
  return values;
}

}  // namespace

Fill fill_for(const Model& model, const Tensor& images) {
  if (Fill background = background_of(images); !background.values.empty()) return background;
  const std::optional<LeadingScale> leading = leading_scale(model);
  if (!leading || model.input_shape().rank() != 3) return {.values = {0}, .origin = "0, as the images have no background"};
  std::vector<double> values = zero_of(*leading);
  if (images.dtype() == DType::u8)
    for (double& value : values) value = std::clamp(std::round(value), 0.0, 255.0);
  return {.values = values,
          .origin = fmt::format("{}, which {} maps to 0, as the images have no background", text_of(values), leading->layer)};
}

}  // namespace linn::shift
