// Layers that put numbers elsewhere, join values, or change the resolution of a map.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "formats/onnx/exporters.h"

namespace linn::detail::formats::onnx {
namespace {

using List = std::vector<std::int64_t>;

Pads2 pads_of(const io::Json& json) {
  const auto pads = [&](std::size_t axis) { return Pads1{json[axis][0].get<std::int64_t>(), json[axis][1].get<std::int64_t>()}; };
  return {pads(0), pads(1)};
}

std::string padded(ExportedCall& call, const std::string& map, const Pads2& pads, double value, std::string_view part) {
  const List all = {0, 0, pads.height.before, pads.width.before, 0, 0, pads.height.after, pads.width.after};
  std::vector<std::string> reads = {map, call.integers(all, "pads")};
  if (value != 0) reads.push_back(call.number_value(value, "fill"));
  return call.node("Pad", reads, {{"mode", std::string("constant")}}, part);
}

std::string cropped(ExportedCall& call, const std::string& map, const Pads2& crop, std::string_view part) {
  constexpr std::int64_t end = std::int64_t{1} << 40;
  const auto to = [&](std::int64_t after) { return after == 0 ? end : -after; };
  return call.node("Slice",
                   {map, call.integers({crop.height.before, crop.width.before}, "crop_from"),
                    call.integers({to(crop.height.after), to(crop.width.after)}, "crop_to"), call.integers({2, 3}, "crop_axes")},
                   {}, part);
}

}  // namespace

void export_zero_padding(ExportedCall& call) {
  call.give_first(padded(call, call.channels_first(), pads_of(call.config.at("padding")), 0, ""));
}
void export_cropping(ExportedCall& call) { call.give_first(cropped(call, call.channels_first(), pads_of(call.config.at("cropping")), "")); }

void export_identity(ExportedCall& call) { call.results[0] = call.input(); }

// ---- resolution --------------------------------------------------------------------------------------------------

namespace {

Attributes resampling(bool is_nearest, const char* rounding, const char* transform) {
  Attributes attributes = {{"mode", std::string(is_nearest ? "nearest" : "linear")},
                           {"coordinate_transformation_mode", std::string(transform)}};
  if (is_nearest) attributes.emplace_back("nearest_mode", std::string(rounding));
  return attributes;
}

// (height, width), centers of pixels at half pixels. The sizes of the batch and of the channels are those of the map.
std::string resized(ExportedCall& call, const std::string& map, const Size2& size, bool is_nearest) {
  const std::string shape = call.node("Shape", {map}, {{"end", std::int64_t{2}}}, "kept");
  const std::string sizes = call.node("Concat", {shape, call.integers({size.height, size.width}, "sizes")}, {{"axis", std::int64_t{0}}}, "all_sizes");
  return call.node("Resize", {map, "", "", sizes}, resampling(is_nearest, "round_prefer_ceil", "half_pixel"));
}

}  // namespace

void export_up_sampling(ExportedCall& call) {
  const Size2 size = call.size("size");
  const bool is_nearest = call.text("interpolation") == "nearest";
  const std::string scales =
      call.floats(Tensor::from(std::vector<float>{1, 1, static_cast<float>(size.height), static_cast<float>(size.width)}, {4}), "scales");
  call.give_first(
      call.node("Resize", {call.channels_first(), "", scales}, resampling(is_nearest, "floor", is_nearest ? "asymmetric" : "half_pixel")));
}

// Keras's nearest is floor((y + 1/2) * n / out), the half-pixel place rounded up.
void export_resizing(ExportedCall& call) {
  const std::int64_t height = call.integer("height"), width = call.integer("width");
  const bool is_nearest = call.text("interpolation") == "nearest";
  std::string map = call.channels_first();
  if (call.flag("crop_to_aspect_ratio") || call.flag("pad_to_aspect_ratio")) {
    const std::int64_t h = call.image()[0], w = call.image()[1];
    if (h == Shape::none || w == Shape::none) throw NoOnnxForm("keeping the aspect ratio of a map of open size");
    const auto fit_height = static_cast<std::int64_t>(static_cast<float>(w * height) / static_cast<float>(width));
    const auto fit_width = static_cast<std::int64_t>(static_cast<float>(h * width) / static_cast<float>(height));
    if (call.flag("crop_to_aspect_ratio")) {
      const std::int64_t rows = std::clamp<std::int64_t>(fit_height, 1, h), columns = std::clamp<std::int64_t>(fit_width, 1, w);
      const std::int64_t top = (h - rows) / 2, left = (w - columns) / 2;
      map = cropped(call, map, {{top, h - rows - top}, {left, w - columns - left}}, "crop");
    } else {
      const std::int64_t rows = (std::max(h, fit_height) - h) / 2, columns = (std::max(w, fit_width) - w) / 2;
      map = padded(call, map, {rows, columns}, call.number("fill_value"), "pad");
    }
  }
  call.give_first(resized(call, map, {height, width}, is_nearest));
}

namespace {

// The middle of a map that is at least so large; of others the largest part of these proportions, resized.
void export_middle(ExportedCall& call, bool resizes_larger) {
  const std::int64_t height = call.integer("height"), width = call.integer("width"), h = call.image()[0], w = call.image()[1];
  if (h == Shape::none || w == Shape::none) throw NoOnnxForm("a crop of a map of open size");
  const auto cut_to = [&](std::int64_t rows, std::int64_t columns) {
    const std::int64_t top = (h - rows) / 2, left = (w - columns) / 2;
    return cropped(call, call.channels_first(), {{top, h - rows - top}, {left, w - columns - left}}, "crop");
  };
  if (!resizes_larger && h >= height && w >= width) return call.give_first(cut_to(height, width));
  const auto fit_height = static_cast<std::int64_t>(static_cast<float>(w * height) / static_cast<float>(width));
  const auto fit_width = static_cast<std::int64_t>(static_cast<float>(h * width) / static_cast<float>(height));
  const std::string map = cut_to(std::clamp<std::int64_t>(fit_height, 1, h), std::clamp<std::int64_t>(fit_width, 1, w));
  call.give_first(resized(call, map, {height, width}, false));
}

// Whether a layer of this class passes its input on in inference.
bool is_left_out(std::string_view class_name) {
#define LINN_ONNX_LAYER(name, function) \
  if (class_name == #name) return &(function) == &export_identity;
#include "formats/onnx/exporters.inc"
#undef LINN_ONNX_LAYER
  return false;
}

}  // namespace

void export_center_crop(ExportedCall& call) { export_middle(call, false); }
void export_random_crop(ExportedCall& call) { export_middle(call, true); }

void export_pipeline(ExportedCall& call) {
  for (const io::Json& layer : call.config.at("layers"))
    if (!is_left_out(layer.at("class_name").get<std::string>())) throw NoOnnxForm("a Pipeline that changes images in inference; put its layers into the model");
  export_identity(call);
}

// ---- shape -------------------------------------------------------------------------------------------------------

// A map is flattened as it lies; a Dense behind it exchanges the rows of its weights instead.
void export_flatten(ExportedCall& call) {
  const Shape& image = call.image();
  const bool is_known = std::none_of(image.begin(), image.end(), [](std::int64_t size) { return size == Shape::none; });
  if (call.is_map() && is_known && !call.input().channels_first.empty()) {
    const std::string row = call.node("Flatten", {call.channels_first()});
    if (image[0] * image[1] == 1 || image[2] == 1) return call.give_natural(row);
    call.results[0].scattered = row;
    call.results[0].scattered_map = image;
    return;
  }
  call.give_natural(call.node("Flatten", {call.natural()}));
}

void export_reshape(ExportedCall& call) {
  List sizes = {0};
  for (const std::int64_t size : call.results[0].image) sizes.push_back(size);
  if (std::count(sizes.begin(), sizes.end(), Shape::none) > 1) throw NoOnnxForm("more than one open size");
  call.give_natural(call.node("Reshape", {call.natural(), call.integers(sizes, "shape")}));
}

void export_permute(ExportedCall& call) {
  List order = {0};
  for (const io::Json& axis : call.config.at("dims")) order.push_back(axis.get<std::int64_t>());
  call.give_natural(call.node("Transpose", {call.natural()}, {{"perm", order}}));
}

// ---- several inputs ----------------------------------------------------------------------------------------------

namespace {

// linn aligns images at their last axis, ONNX values with their batch axis; axes of size 1 behind the batch make up for it.
std::vector<std::string> aligned(ExportedCall& call, bool& are_maps) {
  std::size_t rank = 0;
  are_maps = true;
  for (std::size_t i = 0; i < call.input_count(); ++i) rank = std::max(rank, call.image(i).rank()), are_maps = are_maps && call.is_map(i);
  std::vector<std::string> values;
  for (std::size_t i = 0; i < call.input_count(); ++i) {
    std::string value = are_maps ? call.channels_first(i) : call.natural(i);
    const std::size_t missing = rank - call.image(i).rank();
    if (missing > 0) {
      List axes(missing);
      std::iota(axes.begin(), axes.end(), 1);
      value = call.node("Unsqueeze", {value, call.integers(axes, fmt::format("axes{}", i))}, {}, fmt::format("aligned{}", i));
    }
    values.push_back(std::move(value));
  }
  return values;
}

void give(ExportedCall& call, std::string value, bool is_map) {
  if (is_map)
    call.give_first(std::move(value));
  else
    call.give_natural(std::move(value));
}

// An operator of two inputs, from left to right.
void export_pairwise(ExportedCall& call, const char* op) {
  bool are_maps = false;
  const std::vector<std::string> values = aligned(call, are_maps);
  std::string result = values[0];
  for (std::size_t i = 1; i < values.size(); ++i)
    result = call.node(op, {result, values[i]}, {}, i + 1 == values.size() ? "" : fmt::format("part{}", i));
  give(call, result, are_maps);
}

void export_together(ExportedCall& call, const char* op) {
  bool are_maps = false;
  const std::vector<std::string> values = aligned(call, are_maps);
  give(call, call.node(op, values), are_maps);
}

}  // namespace

void export_add(ExportedCall& call) { export_pairwise(call, "Add"); }
void export_subtract(ExportedCall& call) { export_pairwise(call, "Sub"); }
void export_multiply(ExportedCall& call) { export_pairwise(call, "Mul"); }
void export_average(ExportedCall& call) { export_together(call, "Mean"); }
void export_maximum(ExportedCall& call) { export_together(call, "Max"); }
void export_minimum(ExportedCall& call) { export_together(call, "Min"); }

void export_concatenate(ExportedCall& call) {
  const auto rank = static_cast<std::int64_t>(call.image().rank()) + 1;
  const std::int64_t listed = call.integer("axis"), axis = listed < 0 ? listed + rank : listed;
  std::vector<std::string> values;
  if (!call.is_map()) {
    for (std::size_t i = 0; i < call.input_count(); ++i) values.push_back(call.natural(i));
    return call.give_natural(call.node("Concat", values, {{"axis", axis}}));
  }
  for (std::size_t i = 0; i < call.input_count(); ++i) values.push_back(call.channels_first(i));
  call.give_first(call.node("Concat", values, {{"axis", axis == 3 ? std::int64_t{1} : axis + 1}}));
}

}  // namespace linn::detail::formats::onnx
