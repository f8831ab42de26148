#include "linn/certificate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <span>

#include "io/file.h"
#include "linn/error.h"
#include "shift/border.h"
#include "shift/network.h"

namespace linn::shift {
namespace {

std::string about(const NetworkLayer& layer, std::string_view text) {
  return fmt::format("[{} '{}'] {}", layer.class_name, layer.name, text);
}

// "2", "2 x 1".
std::string strides_text(const Size2& strides) {
  return strides.height == strides.width ? fmt::format("{}", strides.height) : fmt::format("{} x {}", strides.height, strides.width);
}

// A window on a circular map moves with the map where it has stride 1 and leaves the map's size.
std::optional<std::string> window_breaks(const NetworkLayer& layer) {
  const OnMap& on = layer.on;
  const bool blurs = on.reduction == OnMap::blur || on.reduction == OnMap::max_blur;
  if (on.strides != Size2(1, 1))
    return about(layer, fmt::format("subsamples with stride {}{}: a shift that is no multiple of the stride changes which cells it keeps",
                                    strides_text(on.strides), blurs ? " behind a blur" : ""));
  if (on.size == Size2(1, 1) && !has_pads(on)) return std::nullopt;
  if (on.fill != OnMap::circular) return about(layer, fmt::format("sees the border of the map ({})", on.border));
  if (layer.output[0] != layer.input[0] || layer.output[1] != layer.input[1])
    return about(layer, fmt::format("makes a map of {} x {} out of one of {} x {}, which leaves a seam (pads \"zhang\" keep the size)",
                                    layer.output[0], layer.output[1], layer.input[0], layer.input[1]));
  return std::nullopt;
}

// Why a circular shift of the layer's input is not the same shift of its output; nothing where it is.
std::optional<std::string> breaks(const NetworkLayer& layer) {
  switch (layer.on.kind) {
    case OnMap::elementwise:
    case OnMap::pointwise:
    case OnMap::polyphase:
    case OnMap::global: return std::nullopt;
    case OnMap::window: return window_breaks(layer);
    case OnMap::pad: return about(layer, fmt::format("changes the border of the map ({})", layer.on.border));
    case OnMap::flatten: return about(layer, "depends on places in the map: each cell gets weights of its own behind it");
    case OnMap::resize: return about(layer, "resizes the map: what that does to a shift is not known");
    case OnMap::opaque: break;
  }
  return about(layer, "is not known to move with the map");
}

bool is_one_place(const Shape& map) { return map.rank() == 3 && map[0] == 1 && map[1] == 1; }

// Plans without a polyphase layer may take kernels that round otherwise at another place.
std::optional<std::string> rounds(const std::vector<NetworkLayer>& layers) {
  if (std::any_of(layers.begin(), layers.end(), [](const NetworkLayer& layer) { return layer.on.kind == OnMap::polyphase; }))
    return std::nullopt;
  return "no layer depends on where the image lies, but rounding does: only in a network with polyphase sampling does inference leave out "
         "the kernels "
         "that round otherwise at another place, so here the last bits of the output may change";
}

}  // namespace

std::optional<std::string> why_not_invariant(const Sequential& model) {
  const Shape input = model.input_shape();
  if (input.rank() != 3) return fmt::format("the input is {}; images (height, width, channels) are needed", input.to_string());
  const std::vector<NetworkLayer> layers = layers_of(model);
  for (const NetworkLayer& layer : layers) {
    if (layer.on.kind == OnMap::global || is_one_place(layer.input)) return rounds(layers);
    if (auto reason = breaks(layer)) return reason;
  }
  if (is_one_place(model.output_shape())) return rounds(layers);
  return "no global pooling: the output is a map that moves with the image";
}

std::vector<std::int64_t> certified_by_construction(const Sequential& model, const Tensor& images) {
  const Frames from = frames(images);
  const Shape input = model.input_shape();
  if (Shape{from.height, from.width, from.channels} != input)
    throw ShapeError(
        fmt::format("[certificate] images of shape {} came; the model takes {}", images.shape().to_string(), input.to_string()));
  if (why_not_invariant(model)) return std::vector<std::int64_t>(static_cast<std::size_t>(from.images), 0);
  return room_to_move(images);
}

std::vector<std::int64_t> certified_by_enumeration(const Sweep& sweep) {
  const std::int64_t radius = sweep.radius();
  std::vector<std::int64_t> certified(static_cast<std::size_t>(sweep.images()), radius);
  for (std::int64_t image = 0; image < sweep.images(); ++image) {
    std::int64_t& within = certified[static_cast<std::size_t>(image)];
    const std::int64_t in_place = sweep.predicted(image, 0, 0);
    for (std::int64_t dy = -radius; dy <= radius; ++dy)
      for (std::int64_t dx = -radius; dx <= radius; ++dx)
        if (sweep.predicted(image, dy, dx) != in_place) within = std::min(within, std::max(std::abs(dy), std::abs(dx)) - 1);
  }
  return certified;
}

Certificates certify(const Sequential& model, const Tensor& images, const Sweep& sweep, Border border) {
  Certificates both{.by_enumeration = certified_by_enumeration(sweep), .by_construction = {}, .why_not = why_not_invariant(model)};
  if (!both.why_not && border.kind() == Border::crop)
    both.why_not = "the images are larger than the model's input: what comes in at its edge is no background";
  if (both.why_not) {
    both.by_construction.assign(both.by_enumeration.size(), 0);
  } else {
    const Shape input = model.input_shape();
    both.by_construction = certified_by_construction(model, on_canvas(images, input[0], input[1]));
  }
  return both;
}

void write_certificates(const std::string& path, const Sweep& sweep, Border border, const Certificates& certificates) {
  std::string text = fmt::format("image,label,class,radius_by_enumeration_{},radius_by_construction\r\n", border.name());
  for (std::int64_t image = 0; image < sweep.images(); ++image) {
    const auto at = static_cast<std::size_t>(image);
    text += fmt::format("{},{},{},{},{}\r\n", image, sweep.labelled() ? fmt::format("{}", sweep.label(image)) : "",
                        sweep.predicted(image, 0, 0), certificates.by_enumeration[at], certificates.by_construction[at]);
  }
  io::write_file_atomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace linn::shift
