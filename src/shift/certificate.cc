#include "linn/certificate.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/json.h"
#include "linn/error.h"
#include "linn/shift.h"
#include "shift/network.h"

namespace linn::shift {
namespace {

// What this layer does to a circular shift of its map: nothing when a shift of the input is one of the output.
std::optional<std::string> breaks(const NetworkLayer& layer) {
  const auto strided = [&] { return layer.strides() != Size2(1, 1); };
  const auto says = [&](std::string_view what) { return fmt::format("[{} '{}'] {}", layer.class_name, layer.name, what); };
  const std::string& kind = layer.class_name;
  if (kind == "Activation" || kind == "BatchNormalization" || kind == "Dropout" || kind == "Rescaling" || kind == "Dense" || is_polyphase(kind))
    return std::nullopt;
  if (kind == "Conv2D" || kind == "MaxPooling2D" || kind == "AveragePooling2D") {
    if (strided()) return says("keeps every so many pixels, always the same ones: a shift that is no multiple of the stride changes what it keeps");
    if (layer.window() != Size2(1, 1) && layer.padding() != "circular")
      return says(fmt::format("sees the border of the map (padding \"{}\")", layer.padding()));
    return std::nullopt;
  }
  if (kind == "BlurPooling2D" || kind == "MaxBlurPooling2D") {
    if (strided()) return says("blurs before it keeps every so many pixels: less depends on where the image lies, but something does");
    if (layer.border() != "circular") return says(fmt::format("sees the border of the map (border \"{}\")", layer.border()));
    return std::nullopt;
  }
  return says("depends on places in the map");
}

}  // namespace

std::optional<std::string> why_not_invariant(const Sequential& model) {
  if (model.input_shape().rank() != 3) return fmt::format("the input is {}; images (height, width, channels) are needed", model.input_shape().to_string());
  for (const NetworkLayer& layer : layers_of(model)) {
    if (is_global_pooling(layer.class_name)) return std::nullopt;
    if (layer.input[0] == 1 && layer.input[1] == 1) return std::nullopt;  // one place is left
    if (auto reason = breaks(layer)) return reason;
  }
  return "no global pooling: the output is a map that moves with the image";
}

std::vector<std::int64_t> certified_by_construction(const Sequential& model, const Tensor& images) {
  std::vector<std::int64_t> room = room_to_move(images);
  const Shape& shape = images.shape();
  const Shape input = model.input_shape();
  if (input.rank() != 3 || shape[1] != input[0] || shape[2] != input[1])
    throw ShapeError(fmt::format("[certificate] images of shape {} came; the model takes {}", shape.to_string(), input.to_string()));
  if (why_not_invariant(model)) std::fill(room.begin(), room.end(), 0);
  return room;
}

}  // namespace linn::shift
