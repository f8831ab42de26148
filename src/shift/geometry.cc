#include "shift/geometry.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/checked.h"
#include "io/json.h"

namespace linn::shift {
namespace {

// A layer's window along one axis.
struct Window {
  std::int64_t extent = 1;  // pixels from its first cell to its last, both included
  std::int64_t stride = 1;
  std::int64_t before = 0;  // padding
  bool known = true;        // whether extent and padding are
};

std::int64_t pair_field(const io::Json& config, const char* key, std::size_t axis, std::int64_t otherwise) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return otherwise;
  if (found->is_number_integer()) return found->get<std::int64_t>();
  if (found->is_array() && found->size() == 2 && (*found)[axis].is_number_integer()) return (*found)[axis].get<std::int64_t>();
  return otherwise;
}

bool acts_on_cells_alone(std::string_view class_name) {
  static constexpr std::array<std::string_view, 4> classes = {"Activation", "BatchNormalization", "Dropout", "Rescaling"};
  return std::find(classes.begin(), classes.end(), class_name) != classes.end();
}

Window window_of(std::string_view class_name, const io::Json& config, std::size_t axis, std::int64_t input) {
  if (acts_on_cells_alone(class_name)) return {};
  static constexpr std::array<std::string_view, 3> windowed = {"Conv2D", "MaxPooling2D", "AveragePooling2D"};
  const std::int64_t size = pair_field(config, "kernel_size", axis, pair_field(config, "pool_size", axis, 1));
  Window window;
  window.extent = (size - 1) * pair_field(config, "dilation_rate", axis, 1) + 1;
  window.stride = pair_field(config, "strides", axis, config.contains("pool_size") ? size : 1);
  const auto padding = config.find("padding");
  window.known =
      std::find(windowed.begin(), windowed.end(), class_name) != windowed.end() && padding != config.end() && padding->is_string();
  if (!window.known) return window;
  if (*padding == "same" || *padding == "circular")
    window.before = std::max<std::int64_t>(0, (core::ceil_div(input, window.stride) - 1) * window.stride + window.extent - input) / 2;
  else if (*padding == "full")
    window.before = window.extent - 1;
  else
    window.known = *padding == "valid";
  return window;
}

AxisGeometry behind(const AxisGeometry& in, const Window& window, std::int64_t size) {
  AxisGeometry out{.stride = in.stride * window.stride, .size = size};
  out.first_inside = core::ceil_div(in.first_inside + window.before, window.stride);
  const std::int64_t last_start = in.last_inside - window.extent + 1 + window.before;
  out.last_inside = last_start < 0 ? -1 : std::min(size - 1, last_start / window.stride);
  return out;
}

}  // namespace

std::vector<MapGeometry> geometry_of(const Sequential& model) {
  const Shape input = model.input_shape();
  const std::vector<Layer> layers = model.layers();
  const std::vector<Shape> shapes = model.output_shapes();
  MapGeometry now{.map = true, .inside = true};
  now.y = {.size = input[0], .last_inside = input[0] - 1};
  now.x = {.size = input[1], .last_inside = input[1] - 1};
  std::vector<MapGeometry> all;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string_view class_name = layers[i].class_name();
    now.map = now.map && shapes[i].rank() == 3 && !class_name.starts_with("Global");
    if (now.map && class_name != "InputLayer") {
      const io::Json config = io::parse_json(layers[i].config(), "layer configuration");
      const Window down = window_of(class_name, config, 0, now.y.size);
      const Window right = window_of(class_name, config, 1, now.x.size);
      now.inside = now.inside && down.known && right.known;
      now.y = behind(now.y, down, shapes[i][0]);
      now.x = behind(now.x, right, shapes[i][1]);
    }
    all.push_back(now);
  }
  return all;
}

}  // namespace linn::shift
