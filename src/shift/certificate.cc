#include "linn/certificate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <span>

#include "io/file.h"
#include "linn/error.h"
#include "shift/shifted_input.h"
#include "shift/network.h"

namespace linn::shift {
namespace {

// "2", "2 x 1".
std::string strides_text(const Size2& strides) {
  return strides.height == strides.width ? fmt::format("{}", strides.height) : fmt::format("{} x {}", strides.height, strides.width);
}

// A window on a circular map moves with the map where it has stride 1 and leaves the map's size.
std::optional<std::string> window_breaks(const NetworkCall& call) {
  const OnMap& on = call.on;
  const bool blurs = on.reduction == OnMap::blur || on.reduction == OnMap::max_blur;
  if (on.strides != Size2(1, 1))
    return about(call, fmt::format("subsamples with stride {}{}: a shift that is no multiple of the stride changes which cells it keeps",
                                   strides_text(on.strides), blurs ? " behind a blur" : ""));
  if (on.size == Size2(1, 1) && !has_pads(on)) return std::nullopt;
  if (on.fill != OnMap::circular) return about(call, fmt::format("sees the border of the map ({})", on.border));
  if (call.output()[0] != call.input()[0] || call.output()[1] != call.input()[1])
    return about(call, fmt::format("makes a map of {} x {} out of one of {} x {}, which leaves a seam (pads \"zhang\" keep the size)",
                                   call.output()[0], call.output()[1], call.input()[0], call.input()[1]));
  return std::nullopt;
}

// Why a circular shift of the inputs is not the same shift of the outputs; nothing where it is.
std::optional<std::string> breaks(const NetworkCall& call) {
  switch (call.on.kind) {
    case OnMap::elementwise:
    case OnMap::pointwise:
    case OnMap::polyphase:
    case OnMap::global: return std::nullopt;
    case OnMap::window: return window_breaks(call);
    case OnMap::pad: return about(call, fmt::format("changes the border of the map ({})", call.on.border));
    case OnMap::flatten: return about(call, "depends on places in the map: each cell gets weights of its own behind it");
    case OnMap::resize: return about(call, "resizes the map: what that does to a shift is not known");
    case OnMap::opaque: break;
  }
  return about(call, "is not known to move with the map");
}

// How a value moves when the image is shifted circularly. Values with the same number move by the same number of cells. A polyphase layer
// moves its map by a number that depends on the choice, so its outputs get a number of their own.
struct Motion {
  static constexpr int still = -1;  // the value does not change at all
  int number = 0;
};

// How the outputs of a call move; a text where that is not known.
struct MotionOrReason {
  Motion motion = {};
  std::optional<std::string> reason = {};
};

MotionOrReason motion_behind(const NetworkCall& call, const std::vector<Motion>& inputs, int new_number) {
  Motion motion{Motion::still};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].number == Motion::still || is_one_place(call.input_shapes[i])) continue;
    if (motion.number == Motion::still) motion = inputs[i];
    if (motion.number != inputs[i].number)
      return {.reason = about(call, "joins maps whose phases were chosen apart; call one polyphase layer with both maps, which then keep the same phase")};
  }
  if (motion.number == Motion::still || call.on.kind == OnMap::global) return {.motion = {Motion::still}};
  if (auto reason = breaks(call)) return {.reason = std::move(reason)};
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].number == Motion::still && !is_one_place(call.input_shapes[i]))
      return {.reason = about(call, "joins a map that moves with the image and one that does not")};
  if (call.on.kind == OnMap::polyphase && call.on.strides != Size2(1, 1)) motion.number = new_number;
  return {.motion = motion};
}

// Plans without a polyphase layer may choose kernels whose rounding depends on the place.
std::optional<std::string> rounds(const Network& network) {
  if (std::any_of(network.calls.begin(), network.calls.end(), [](const NetworkCall& call) { return call.on.kind == OnMap::polyphase; }))
    return std::nullopt;
  return "no layer depends on where the image lies, but rounding does: only in a network with a polyphase layer does inference leave out "
         "kernels that round otherwise at another place, so here the last bits of the output may change";
}

}  // namespace

std::optional<std::string> why_not_invariant(const Model& model) {
  const FlatModel flat(model);
  const Network network = network_of(*flat);
  if (network.input_shape.rank() != 3)
    return fmt::format("the input is {}; images (height, width, channels) are needed", network.input_shape.to_string());
  std::vector<Motion> motions;
  const auto motion_of = [&](Source source) { return source.call == Source::image ? Motion{} : motions[source.call]; };
  for (const NetworkCall& call : network.calls) {
    std::vector<Motion> inputs;
    for (const Source source : call.inputs) inputs.push_back(motion_of(source));
    const MotionOrReason found = motion_behind(call, inputs, static_cast<int>(motions.size()) + 1);
    if (found.reason) return found.reason;
    motions.push_back(found.motion);
  }
  if (motion_of(network.output).number == Motion::still || is_one_place(network.shape_of(network.output))) return rounds(network);
  return "no global pooling: the output is a map that moves with the image";
}

std::vector<std::int64_t> certified_by_construction(const Model& model, const Tensor& images, const std::vector<double>& fill) {
  const Frames from = frames(images);
  const Shape input = model.input_shape();
  if (Shape{from.height, from.width, from.channels} != input)
    throw ShapeError(
        fmt::format("[certificate] images of shape {} came; the model takes {}", images.shape().to_string(), input.to_string()));
  if (why_not_invariant(model)) return std::vector<std::int64_t>(static_cast<std::size_t>(from.images), 0);
  return room_to_move(images, fill);
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

Certificates certify(const Model& model, const Tensor& images, const Sweep& sweep, Border border) {
  Certificates both{.by_enumeration = certified_by_enumeration(sweep), .by_construction = {}, .why_not = why_not_invariant(model)};
  if (!both.why_not && border.kind() == Border::crop)
    both.why_not = "the images are larger than the model's input: what comes in at its edge is no background";
  if (both.why_not) {
    both.by_construction.assign(both.by_enumeration.size(), 0);
  } else {
    const Shape input = model.input_shape();
    const std::vector<double>& fill = sweep.predictions().fill;
    both.by_construction = certified_by_construction(model, on_canvas(images, input[0], input[1], fill), fill);
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
  detail::io::write_file_atomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace linn::shift
