// Chooses the fill: the background of the images, else the value that the model's leading layers map to 0.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "linn/shift.h"
#include "shift/charts.h"
#include "shift/network.h"
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

bool has_trainable_variables(const NetworkCall& call) {
  const auto variables = call.layer->declare_variables(call.input_shapes);
  return std::any_of(variables.begin(), variables.end(), [](const VariableSpec& variable) { return variable.trainable; });
}

// The last call of the leading chain of rescaling layers: linear, each cell by itself, without trainable variables. Null if there is none.
const NetworkCall* rescaling_of(const Network& network) {
  const NetworkCall* last = nullptr;
  for (const NetworkCall& call : network.calls) {
    const bool chain = call.inputs.size() == 1 &&
                       call.inputs[0] == (last == nullptr ? Source{} : Source{static_cast<std::size_t>(last - network.calls.data()), 0});
    if (!chain || !acts_on_cells(call.on) || has_trainable_variables(call) || call.layer->activation() != ActivationKind::linear) break;
    last = &call;
  }
  return last;
}

// For each channel the value v with a v + b = 0, where the leading layers compute a x + b. a and b follow from their outputs for 0 and 1.
std::vector<double> zero_of(const Model& model, const NetworkCall& last, const Shape& input) {
  const Model scaling(model.input(), last.outputs.front());
  Tensor zeros_and_ones({2, input[0], input[1], input[2]});
  const auto pixels = zeros_and_ones.values<float>();
  std::fill(pixels.begin() + static_cast<std::ptrdiff_t>(pixels.size() / 2), pixels.end(), 1.0F);
  const Tensor out = scaling.predict(zeros_and_ones);
  std::vector<double> values;
  for (std::int64_t c = 0; c < input[2]; ++c) {
    const double zero = out.values<float>()[static_cast<std::size_t>(c)];
    const double one = out.values<float>()[static_cast<std::size_t>(out.elements() / 2 + c)];
    values.push_back(one == zero ? 0 : -zero / (one - zero));
  }
  return values;
}

}  // namespace

Fill fill_for(const Model& model, const Tensor& images) {
  if (Fill background = background_of(images); !background.values.empty()) return background;
  const FlatModel flat(model);
  const Network network = network_of(*flat);
  const NetworkCall* last = rescaling_of(network);
  if (last == nullptr || network.input_shape.rank() != 3 || last->output() != network.input_shape)
    return {.values = {0}, .origin = "0, as the images have no background"};
  std::vector<double> values = zero_of(*flat, *last, network.input_shape);
  if (images.dtype() == DType::u8)
    for (double& value : values) value = std::clamp(std::round(value), 0.0, 255.0);
  return {.values = values, .origin = fmt::format("{}, which {} maps to 0, as the images have no background", text_of(values), last->name)};
}

}  // namespace linn::shift
