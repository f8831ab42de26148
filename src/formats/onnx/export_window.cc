// Layers whose windows slide over a map.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/onnx/export_parts.h"
#include "formats/onnx/exporters.h"
#include "formats/onnx/weights.h"

namespace linn::detail::formats::onnx {
namespace {

using List = std::vector<std::int64_t>;

// A window of a layer: its size, and what stands around the map. `filled`: rows and columns that a node of their own puts around it, from
// the map's own (`border`). `pads`: those that the window's operator adds, zeros or left out.
struct Spec {
  Size2 size, strides, dilation = 1;
  Pads2 pads = 0, filled = 0;
  std::string border = {};  // "circular", "reflect" or "replicate" of filled pads
  bool auto_same = false;   // auto_pad SAME_UPPER

  std::int64_t reach_height() const { return (size.height - 1) * dilation.height + 1; }
  std::int64_t reach_width() const { return (size.width - 1) * dilation.width + 1; }
};

Pads1 same_pads(std::int64_t n, std::int64_t reach, std::int64_t stride) {
  const std::int64_t out = (n + stride - 1) / stride, total = std::max<std::int64_t>(0, (out - 1) * stride + reach - n);
  return {total / 2, total - total / 2};
}

// The pads behind a map of n cells that let the last window of `out` end.
std::int64_t last_pads(std::int64_t n, std::int64_t out, std::int64_t reach, std::int64_t stride, std::int64_t before) {
  return std::max<std::int64_t>(0, (out - 1) * stride + reach - before - n);
}

// What ceil_mode adds, as pads: AveragePool's attribute counts what it adds in some runtimes.
void add_last_windows(const ExportedCall& call, Spec& spec) {
  const Shape &in = call.image(), &out = call.results[0].image;
  if (in[0] == Shape::none || in[1] == Shape::none) throw NoOnnxForm("ceil_mode on a map of open size");
  const auto filled = [](const Pads1& pads) { return pads.before + pads.after; };
  spec.pads.height.after = last_pads(in[0] + filled(spec.filled.height), out[0], spec.reach_height(), spec.strides.height, spec.pads.height.before);
  spec.pads.width.after = last_pads(in[1] + filled(spec.filled.width), out[1], spec.reach_width(), spec.strides.width, spec.pads.width.before);
}

Pads2 pads_in(const io::Json& json) {
  const auto pads = [&](std::size_t axis) { return Pads1{json[axis][0].get<std::int64_t>(), json[axis][1].get<std::int64_t>()}; };
  return {pads(0), pads(1)};
}

// Of "same", and of the names that fill its pads from the map.
void set_same_pads(const ExportedCall& call, Spec& spec, const std::string& padding) {
  const std::int64_t height = call.image()[0], width = call.image()[1];
  const bool is_filled = padding != "same";
  const bool is_open = (height == Shape::none && spec.strides.height > 1) || (width == Shape::none && spec.strides.width > 1);
  if (is_open && is_filled) throw NoOnnxForm(fmt::format("padding \"{}\" with strides on a map of open size", padding));
  // The operator finds the pads, as for maps of other sizes; with dilation not all runtimes count alike.
  spec.auto_same = !is_filled && (is_open || spec.dilation == Size2(1));
  if (is_filled) spec.border = padding;
  if (is_open) return;
  const auto pads_on = [](std::int64_t n, std::int64_t reach, std::int64_t stride) {
    return n == Shape::none ? same_pads(reach, reach, stride) : same_pads(n, reach, stride);
  };
  const Pads2 pads = {pads_on(height, spec.reach_height(), spec.strides.height), pads_on(width, spec.reach_width(), spec.strides.width)};
  if (is_filled)
    spec.filled = pads;
  else
    spec.pads = pads;
}

Spec spec_of(const ExportedCall& call, const char* size_key, const Size2& strides) {
  Spec spec{.size = call.size(size_key), .strides = strides};
  if (call.config.contains("dilation_rate")) spec.dilation = call.size("dilation_rate");
  const io::Json& padding = call.config.at("padding");
  if (padding.is_array()) {
    spec.pads = pads_in(padding);
  } else if (padding.is_object()) {
    spec.filled = pads_in(padding.at("pads"));
    spec.border = padding.at("border").get<std::string>();
  } else if (padding == "full") {
    spec.pads = {spec.reach_height() - 1, spec.reach_width() - 1};
  } else if (padding != "valid") {
    set_same_pads(call, spec, padding.get<std::string>());
  }
  if (call.config.value("ceil_mode", false)) add_last_windows(call, spec);
  return spec;
}
Spec spec_of(const ExportedCall& call, const char* size_key) { return spec_of(call, size_key, call.size("strides")); }

// Rows or columns of the opposite side around a map: standard operators have no circular padding before operator set 19.
std::string wrapped_axis(ExportedCall& call, const std::string& map, const Pads1& pads, std::int64_t axis, std::int64_t size,
                         const std::string& part) {
  if (pads == Pads1(0)) return map;
  if (size != Shape::none && std::max(pads.before, pads.after) > size) throw NoOnnxForm("circular pads that are larger than the map");
  constexpr std::int64_t end = std::int64_t{1} << 40;
  std::vector<std::string> parts;
  const auto slice = [&](std::int64_t from, std::int64_t to, const char* side) {
    const std::string name = fmt::format("{}_{}{}", part, side, axis);
    parts.push_back(call.node(
        "Slice", {map, call.integers({from}, name + "_from"), call.integers({to}, name + "_to"), call.integers({axis}, name + "_axis")}, {},
        name));
  };
  if (pads.before > 0) slice(-pads.before, end, "end");
  parts.push_back(map);
  if (pads.after > 0) slice(0, pads.after, "begin");
  return call.node("Concat", parts, {{"axis", axis}}, fmt::format("{}_wrap{}", part, axis));
}

}  // namespace

std::string wrapped(ExportedCall& call, const std::string& map, const Pads2& pads, const Shape& image, const std::string& part) {
  return wrapped_axis(call, wrapped_axis(call, map, pads.height, 2, image[0], part), pads.width, 3, image[1], part);
}

namespace {

List list_of(const Size2& size) { return {size.height, size.width}; }
List list_of(const Pads2& pads) { return {pads.height.before, pads.width.before, pads.height.after, pads.width.after}; }

// The attributes of a window, and its source with filled pads around it.
Attributes window_attributes(const Spec& spec, bool with_dilations) {
  Attributes attributes = {{"kernel_shape", list_of(spec.size)}, {"strides", list_of(spec.strides)}};
  if (with_dilations) attributes.emplace_back("dilations", list_of(spec.dilation));
  if (spec.auto_same)
    attributes.emplace_back("auto_pad", std::string("SAME_UPPER"));
  else
    attributes.emplace_back("pads", list_of(spec.pads));
  return attributes;
}

List all_axes(const Pads2& pads) { return {0, 0, pads.height.before, pads.width.before, 0, 0, pads.height.after, pads.width.after}; }

std::string source_of(ExportedCall& call, const Spec& spec) {
  return bordered(call, call.channels_first(), spec.filled, spec.border, call.image(), "pad");
}

}  // namespace

std::string bordered(ExportedCall& call, const std::string& map, const Pads2& pads, const std::string& border, const Shape& image, const std::string& part) {
  if (pads == Pads2(0)) return map;
  if (border == "circular") return wrapped(call, map, pads, image, part);
  const std::string mode = border == "reflect" ? "reflect" : border == "replicate" ? "edge" : "constant";
  return call.node("Pad", {map, call.integers(all_axes(pads), part + "_pads")}, {{"mode", mode}}, part + "_pad");
}

Tensor with_axes(const Tensor& weights, std::initializer_list<std::size_t> axes) {
  return transposed_tensor(weights.values<float>(), {weights.shape().begin(), weights.shape().rank()}, std::vector<std::size_t>(axes));
}

namespace {

// (height, width, channels, multiplier) -> (channels * multiplier, 1, height, width)
Tensor depthwise_weights(const Tensor& kernel) {
  const Shape& s = kernel.shape();
  return with_axes(kernel.reshape({s[0], s[1], s[2] * s[3], 1}), {2, 3, 0, 1});
}

// The convolution with its activation.
void give_convolution(ExportedCall& call, const std::string& op, const std::string& source, const Tensor& weights, const Tensor* bias,
                      Attributes attributes) {
  const io::Json& activation = call.config.at("activation");
  const bool is_plain = activation == "linear";
  std::vector<std::string> reads = {source, call.floats(weights, "kernel")};
  if (bias != nullptr) reads.push_back(call.floats(*bias, "bias"));
  const std::string result = call.node(op, reads, attributes, is_plain ? "" : "linear");
  call.give_first(is_plain ? result : activated(call, activation, result, true));
}

}  // namespace

void export_conv(ExportedCall& call) {
  const Spec spec = spec_of(call, "kernel_size");
  Attributes attributes = window_attributes(spec, true);
  attributes.emplace_back("group", call.integer("groups"));
  give_convolution(call, "Conv", source_of(call, spec), with_axes(call.weights[0], {3, 2, 0, 1}),
                   call.weights.size() > 1 ? &call.weights[1] : nullptr, std::move(attributes));
}

void export_depthwise_conv(ExportedCall& call) {
  const Spec spec = spec_of(call, "kernel_size");
  Attributes attributes = window_attributes(spec, true);
  attributes.emplace_back("group", call.image()[2]);
  give_convolution(call, "Conv", source_of(call, spec), depthwise_weights(call.weights[0]),
                   call.weights.size() > 1 ? &call.weights[1] : nullptr, std::move(attributes));
}

void export_separable_conv(ExportedCall& call) {
  const Spec spec = spec_of(call, "kernel_size");
  Attributes attributes = window_attributes(spec, true);
  attributes.emplace_back("group", call.image()[2]);
  const std::string depthwise = call.node(
      "Conv", {source_of(call, spec), call.floats(depthwise_weights(call.weights[0]), "depthwise_kernel")}, attributes, "depthwise");
  give_convolution(call, "Conv", depthwise, with_axes(call.weights[1], {3, 2, 0, 1}), call.weights.size() > 2 ? &call.weights[2] : nullptr,
                   {});
}

// Along each axis the whole gradient of a convolution has (n - 1) * stride + reach cells; linn cuts the pads of its padding off.
void export_conv_transpose(ExportedCall& call) {
  const Size2 size = call.size("kernel_size"), strides = call.size("strides"), dilation = call.size("dilation_rate");
  const io::Json& extra = call.config.at("output_padding");
  const bool is_same = call.text("padding") == "same";
  List pads(4), added(2);
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t window = axis == 0 ? size.height : size.width, stride = axis == 0 ? strides.height : strides.width;
    const std::int64_t reach = (window - 1) * (axis == 0 ? dilation.height : dilation.width) + 1;
    const std::int64_t more = extra.is_null() ? -1 : extra[axis].get<std::int64_t>();
    // How much of (n - 1) * stride + reach is cut off in all; below 0: is added.
    std::int64_t cut = more >= 0 ? -more : std::min<std::int64_t>(0, reach - stride);
    if (is_same) cut = more >= 0 ? reach - reach % 2 - more : reach - stride;
    pads[axis] = std::max<std::int64_t>(0, cut) / 2;
    pads[axis + 2] = std::max<std::int64_t>(0, cut) - pads[axis];
    added[axis] = std::max<std::int64_t>(0, -cut);
  }
  give_convolution(call, "ConvTranspose", call.channels_first(), with_axes(call.weights[0], {3, 2, 0, 1}),
                   call.weights.size() > 1 ? &call.weights[1] : nullptr,
                   {{"kernel_shape", list_of(size)},
                    {"strides", list_of(strides)},
                    {"dilations", list_of(dilation)},
                    {"pads", pads},
                    {"output_padding", added}});
}

// ---- poolings ----------------------------------------------------------------------------------------------------

namespace {

// The maxima of the windows of a source with its filled pads.
std::string maxima_of(ExportedCall& call, Spec spec, std::string source, const std::string& part) {
  const auto reaches = [](const Pads1& pads, std::int64_t size) { return std::max(pads.before, pads.after) >= size; };
  if (reaches(spec.pads.height, spec.size.height) || reaches(spec.pads.width, spec.size.width)) {
    // ONNX Runtime takes no pads of as many cells as the window has, which a dilated one may need.
    const std::string least = call.number_value(-std::numeric_limits<double>::infinity(), "least");
    source = call.node("Pad", {source, call.integers(all_axes(spec.pads), "pads"), least}, {{"mode", std::string("constant")}}, "padded");
    spec.pads = 0;
  }
  return call.node("MaxPool", {source}, window_attributes(spec, spec.dilation != Size2(1)), part);
}

}  // namespace

void export_max_pooling(ExportedCall& call) {
  const Spec spec = spec_of(call, "pool_size");
  call.give_first(maxima_of(call, spec, source_of(call, spec), ""));
}

namespace {

// The number of a window's cells inside an axis of n cells, for each of `out` windows.
List cells_inside(std::int64_t n, std::int64_t out, std::int64_t size, std::int64_t stride, std::int64_t dilation, std::int64_t before) {
  List counts;
  for (std::int64_t o = 0; o < out; ++o) {
    counts.push_back(0);
    for (std::int64_t i = 0; i < size; ++i) {
      const std::int64_t at = o * stride - before + i * dilation;
      if (at >= 0 && at < n) ++counts.back();
    }
  }
  return counts;
}

// The sums of the windows: a depthwise convolution with a filter of one number, or of a filter (channels, 1, rows, columns).
std::string sums_of(ExportedCall& call, const Spec& spec, const std::string& source, const Tensor& filter, const std::string& part) {
  Attributes attributes = window_attributes(spec, true);
  attributes.emplace_back("group", call.image()[2]);
  return call.node("Conv", {source, call.floats(filter, part + "filter")}, attributes, part);
}

Tensor constant_filter(const ExportedCall& call, const Spec& spec, float value) {
  Tensor filter(Shape{call.image()[2], 1, spec.size.height, spec.size.width});
  for (float& number : filter.values<float>()) number = value;
  return filter;
}

// AveragePool has dilations from operator set 19 on. A depthwise convolution adds the cells; their number inside the map divides each sum.
std::string dilated_means_of(ExportedCall& call, const Spec& spec, const std::string& source, const std::string& part) {
  const bool is_whole = spec.pads == Pads2(0), is_open = call.image()[0] == Shape::none || call.image()[1] == Shape::none;
  if (spec.auto_same || (!is_whole && is_open)) throw NoOnnxForm("a dilated average with pads on a map of open size");
  const auto cells = static_cast<float>(spec.size.height * spec.size.width);
  const std::string sums = sums_of(call, spec, source, constant_filter(call, spec, is_whole ? 1 / cells : 1), is_whole ? part : part + "sums");
  if (is_whole) return sums;
  const std::int64_t height = call.results[0].image[0], width = call.results[0].image[1];
  const auto padded = [](std::int64_t n, const Pads1& pads) { return n + pads.before + pads.after; };
  const List rows = cells_inside(padded(call.image()[0], spec.filled.height), height, spec.size.height, spec.strides.height, spec.dilation.height,
                                 spec.pads.height.before),
             columns = cells_inside(padded(call.image()[1], spec.filled.width), width, spec.size.width, spec.strides.width, spec.dilation.width,
                                    spec.pads.width.before);
  Tensor shares(Shape{1, 1, height, width});
  const auto to = shares.values<float>();
  for (std::size_t k = 0; k < to.size(); ++k) {
    const std::int64_t count = rows[k / columns.size()] * columns[k % columns.size()];
    to[k] = count == 0 ? 0 : 1 / static_cast<float>(count);
  }
  return call.node("Mul", {sums, call.floats(shares, part + "shares")}, {}, part);
}

// The means of the windows' cells inside the map.
std::string means_of(ExportedCall& call, const Spec& spec, const std::string& source, const std::string& part) {
  if (spec.dilation != Size2(1)) return dilated_means_of(call, spec, source, part);
  return call.node("AveragePool", {source}, window_attributes(spec, false), part);
}

}  // namespace

void export_average_pooling(ExportedCall& call) {
  const Spec spec = spec_of(call, "pool_size");
  call.give_first(means_of(call, spec, source_of(call, spec), ""));
}

namespace {

void export_global(ExportedCall& call, const char* op) {
  const bool keeps = call.flag("keepdims");
  const std::string pooled = call.node(op, {call.channels_first()}, {}, keeps ? "" : "map");
  if (keeps)
    call.give_first(pooled);
  else
    call.give_natural(call.node("Flatten", {pooled}));
}

// Cell i of o sees cells floor(i * n / o) to ceil((i + 1) * n / o): one axis after the other.
void export_adaptive(ExportedCall& call, bool is_max) {
  const Size2 out = call.size("output_size");
  std::string map = call.channels_first();
  for (const std::int64_t axis : {2, 3}) {
    const std::int64_t n = call.image()[axis - 2], o = axis == 2 ? out.height : out.width;
    if (n == Shape::none) throw NoOnnxForm("a map of open size");
    std::vector<std::string> cells;
    for (std::int64_t i = 0; i < o; ++i) {
      const std::string part = fmt::format("cell{}_{}", axis, i);
      const std::string slice = call.node("Slice",
                                          {map, call.integers({i * n / o}, part + "_from"),
                                           call.integers({((i + 1) * n + o - 1) / o}, part + "_to"), call.integers({axis}, part + "_axis")},
                                          {}, part + "_slice");
      cells.push_back(call.node(is_max ? "ReduceMax" : "ReduceMean", {slice}, {{"axes", List{axis}}, {"keepdims", std::int64_t{1}}}, part));
    }
    map = call.node("Concat", cells, {{"axis", axis}}, axis == 2 ? "rows" : "");
  }
  call.give_first(map);
}

}  // namespace

void export_global_max_pooling(ExportedCall& call) { export_global(call, "GlobalMaxPool"); }
void export_global_average_pooling(ExportedCall& call) { export_global(call, "GlobalAveragePool"); }
void export_adaptive_max_pooling(ExportedCall& call) { export_adaptive(call, true); }
void export_adaptive_average_pooling(ExportedCall& call) { export_adaptive(call, false); }

// ---- poolings of other functions ---------------------------------------------------------------------------------

namespace {

// One number, or one for each channel, against (N, channels, height, width).
Tensor as_channels(const Tensor& weights, double (*f)(double)) {
  Tensor result(Shape{1, weights.shape().elements(), 1, 1});
  const auto from = weights.values<float>();
  const auto to = result.values<float>();
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<float>(f(static_cast<double>(from[i])));
  return result;
}
double itself(double x) { return x; }
double from_one(double x) { return 1 - x; }
double as_exponent(double p) { return std::abs(p) < 0.01 ? std::copysign(0.01, p) : p; }
double as_root(double p) { return 1 / as_exponent(p); }

// x^p = exp(p log(x)) of numbers above 0; `exponent` is a constant of `as_channels`.
std::string raised_to(ExportedCall& call, const std::string& x, const Tensor& exponent, const std::string& part, const std::string& last) {
  const std::string log = call.node("Log", {x}, {}, part + "_log");
  return call.node("Exp", {call.node("Mul", {log, call.floats(exponent, part + "_exponent")}, {}, part + "_product")}, {}, last);
}

void give_pooled(ExportedCall& call, const std::string& pooled) {
  if (call.flag("keepdims"))
    call.give_first(pooled);
  else
    call.give_natural(call.node("Flatten", {pooled}));
}

// x no lower than epsilon, to the power p.
std::string powers_of_mean(ExportedCall& call, const std::string& source) {
  const std::string least = call.number_value(call.config.at("epsilon").get<double>(), "epsilon");
  return raised_to(call, call.node("Clip", {source, least}, {}, "clipped"), as_channels(call.weights[0], as_exponent), "power", "powers");
}

std::string share_mixed(ExportedCall& call, const Spec& spec, const std::string& source, const std::string& share) {
  const std::string maxima = maxima_of(call, spec, source, "maxima"), means = means_of(call, spec, source, "means");
  const std::string more = call.node("Mul", {share, call.node("Sub", {maxima, means}, {}, "more")}, {}, "shared");
  return call.node("Add", {means, more});
}

// The cell (i, j) of each window of a map that holds its pads.
std::string cells_at(ExportedCall& call, const Spec& spec, const std::string& map, std::int64_t i, std::int64_t j) {
  const std::string part = fmt::format("cell_{}_{}", i, j);
  const std::int64_t top = i * spec.dilation.height, left = j * spec.dilation.width, height = call.results[0].image[0], width = call.results[0].image[1];
  const List ends = {top + (height - 1) * spec.strides.height + 1, left + (width - 1) * spec.strides.width + 1};
  return call.node("Slice",
                   {map, call.integers({top, left}, part + "_from"), call.integers(ends, part + "_to"), call.integers({2, 3}, part + "_axes"),
                    call.integers(list_of(spec.strides), part + "_steps")},
                   {}, part);
}

}  // namespace

// LpPool has whole orders, and dilations from operator set 18 on. Else: (sum |x|^p)^(1/p) by a convolution with ones.
void export_lp_pooling(ExportedCall& call) {
  const Spec spec = spec_of(call, "pool_size");
  const double p = call.config.at("p").get<double>();
  const std::string source = source_of(call, spec);
  if (std::trunc(p) == p && spec.dilation == Size2(1)) {
    Attributes attributes = window_attributes(spec, false);
    attributes.emplace_back("p", static_cast<std::int64_t>(p));
    return call.give_first(call.node("LpPool", {source}, attributes));
  }
  const std::string powers = call.node("Pow", {call.node("Abs", {source}, {}, "magnitudes"), call.number_value(p, "p")}, {}, "powers");
  const std::string sums = sums_of(call, spec, powers, constant_filter(call, spec, 1), "sums");
  call.give_first(call.node("Pow", {sums, call.number_value(1 / p, "root")}));
}

void export_global_lp_pooling(ExportedCall& call) {
  const double p = call.config.at("p").get<double>();
  if (std::trunc(p) == p)
    return give_pooled(call, call.node("GlobalLpPool", {call.channels_first()}, {{"p", static_cast<std::int64_t>(p)}}, call.flag("keepdims") ? "" : "map"));
  const std::string powers = call.node("Pow", {call.node("Abs", {call.channels_first()}, {}, "magnitudes"), call.number_value(p, "p")}, {}, "powers");
  const std::string sums = call.node("ReduceSum", {powers, call.integers({2, 3}, "axes")}, {{"keepdims", std::int64_t{1}}}, "sums");
  give_pooled(call, call.node("Pow", {sums, call.number_value(1 / p, "root")}, {}, call.flag("keepdims") ? "" : "map"));
}

void export_generalized_mean_pooling(ExportedCall& call) {
  const Spec spec = spec_of(call, "pool_size");
  const std::string means = means_of(call, spec, powers_of_mean(call, source_of(call, spec)), "means");
  call.give_first(raised_to(call, means, as_channels(call.weights[0], as_root), "root", ""));
}

void export_global_generalized_mean_pooling(ExportedCall& call) {
  const std::string means = call.node("GlobalAveragePool", {powers_of_mean(call, call.channels_first())}, {}, "means");
  give_pooled(call, raised_to(call, means, as_channels(call.weights[0], as_root), "root", call.flag("keepdims") ? "" : "map"));
}

// Cell by cell: exp(x - max) is at most 1, and 1 once in each window.
void export_soft_pooling(ExportedCall& call) {
  const Spec spec = spec_of(call, "pool_size");
  if (call.image()[0] == Shape::none || call.image()[1] == Shape::none) throw NoOnnxForm("a map of open size");
  const std::string source = source_of(call, spec), maxima = maxima_of(call, spec, source, "maxima");
  std::string map = source;
  if (spec.pads != Pads2(0)) {
    // Far below every value: such a cell has the weight 0. Infinity would be 0 * infinity.
    const std::string least = call.number_value(-1e30, "lowest");
    map = call.node("Pad", {source, call.integers(all_axes(spec.pads), "outside"), least}, {{"mode", std::string("constant")}}, "whole");
  }
  std::string weights, sums;
  for (std::int64_t i = 0; i < spec.size.height; ++i)
    for (std::int64_t j = 0; j < spec.size.width; ++j) {
      const std::string x = cells_at(call, spec, map, i, j), part = fmt::format("_{}_{}", i, j);
      const std::string weight = call.node("Exp", {call.node("Sub", {x, maxima}, {}, "below" + part)}, {}, "weight" + part);
      const std::string product = call.node("Mul", {weight, x}, {}, "product" + part);
      weights = weights.empty() ? weight : call.node("Add", {weights, weight}, {}, "weights" + part);
      sums = sums.empty() ? product : call.node("Add", {sums, product}, {}, "sums" + part);
    }
  call.give_first(call.node("Div", {sums, weights}));
}

// The expected value, as in inference: sum r^2 / sum r of r = max(x, 0).
void export_stochastic_pooling(ExportedCall& call) {
  const Spec spec = spec_of(call, "pool_size");
  const std::string positive = call.node("Relu", {source_of(call, spec)}, {}, "positive");
  const Tensor ones = constant_filter(call, spec, 1);
  const std::string weights = sums_of(call, spec, positive, ones, "weights");
  const std::string sums = sums_of(call, spec, call.node("Mul", {positive, positive}, {}, "squares"), ones, "sums");
  // No 0 / 0 in a window without a positive value.
  const std::string divisor = call.node("Add", {weights, call.number_value(1e-30, "least")}, {}, "divisor");
  call.give_first(call.node("Div", {sums, divisor}));
}

void export_mixed_pooling(ExportedCall& call) {
  const Spec spec = spec_of(call, "pool_size");
  Tensor alpha(Shape{1});
  alpha.values<float>()[0] = static_cast<float>(call.config.at("alpha").get<double>());
  const Tensor& shares = call.weights.empty() ? alpha : call.weights[0];
  const std::string source = source_of(call, spec);
  const std::string maxima = maxima_of(call, spec, source, "maxima"), means = means_of(call, spec, source, "means");
  const std::string of_maxima = call.node("Mul", {maxima, call.floats(as_channels(shares, itself), "share")}, {}, "of_maxima");
  const std::string of_means = call.node("Mul", {means, call.floats(as_channels(shares, from_one), "rest")}, {}, "of_means");
  call.give_first(call.node("Add", {of_maxima, of_means}));
}

void export_gated_pooling(ExportedCall& call) {
  const Spec spec = spec_of(call, "pool_size");
  const std::int64_t channels = call.image()[2];
  const Tensor& gate = call.weights[0];  // (rows, columns, 1 or channels)
  Tensor filter(Shape{channels, 1, spec.size.height, spec.size.width});
  const auto from = gate.values<float>();
  const auto to = filter.values<float>();
  const std::size_t cells = static_cast<std::size_t>(spec.size.height * spec.size.width), apart = static_cast<std::size_t>(gate.shape()[2]);
  for (std::size_t k = 0; k < to.size(); ++k) to[k] = from[k % cells * apart + (apart == 1 ? 0 : k / cells)];
  const std::string source = source_of(call, spec);
  const std::string share = call.node("Sigmoid", {sums_of(call, spec, source, filter, "gate")}, {}, "share");
  call.give_first(share_mixed(call, spec, source, share));
}

// ---- blur --------------------------------------------------------------------------------------------------------

namespace {

Pads1 blur_pads(const std::string& kind, std::int64_t taps, std::int64_t stride) {
  if (kind == "timm") return (stride + taps - 2) / 2;
  if (kind == "kornia") return (taps - 1) / 2;
  return {(taps - 1) / 2, taps / 2};
}

// A pad and a depthwise convolution with the binomial filter.
void give_blurred(ExportedCall& call, const std::string& map, const Shape& image) {
  const std::int64_t taps = call.integer("filter_size"), channels = call.image()[2];
  const Size2 strides = call.size("strides");
  const std::string border = call.text("border"), kind = call.text("pads");
  const Pads2 pads = {blur_pads(kind, taps, strides.height), blur_pads(kind, taps, strides.width)};
  const std::string padded = bordered(call, map, pads, border, image, "blur");
  std::vector<double> row = {1};
  while (static_cast<std::int64_t>(row.size()) < taps) {
    row.push_back(0);
    for (std::size_t i = row.size() - 1; i > 0; --i) row[i] += row[i - 1];
  }
  double sum = 0;
  for (const double tap : row) sum += tap;
  Tensor filter(Shape{channels, 1, taps, taps});
  const auto values = filter.values<float>();
  for (std::size_t k = 0; k < values.size(); ++k) {
    const std::size_t t = row.size();
    values[k] = static_cast<float>(row[k / t % t] * row[k % t] / (sum * sum));
  }
  call.give_first(call.node("Conv", {padded, call.floats(filter, "filter")},
                            {{"kernel_shape", List{taps, taps}}, {"strides", list_of(strides)}, {"group", channels}}));
}

}  // namespace

void export_blur_pooling(ExportedCall& call) { give_blurred(call, call.channels_first(), call.image()); }

void export_max_blur_pooling(ExportedCall& call) {
  const Spec spec = spec_of(call, "pool_size", 1);  // the strides are the blur's
  const std::string maxima = maxima_of(call, spec, source_of(call, spec), "maxima");
  const auto size = [&](std::int64_t n, const Pads1& pads, const Pads1& around, std::int64_t reach) {
    return n == Shape::none ? n : n + pads.before + pads.after + around.before + around.after - reach + 1;
  };
  give_blurred(call, maxima,
               {size(call.image()[0], spec.pads.height, spec.filled.height, spec.reach_height()),
                size(call.image()[1], spec.pads.width, spec.filled.width, spec.reach_width()), call.image()[2]});
}

// ---- polyphase ---------------------------------------------------------------------------------------------------

std::vector<std::string> phases_of(ExportedCall& call, std::size_t input, const Size2& strides) {
  std::vector<std::string> phases;
  const std::string map = call.channels_first(input), prefix = fmt::format("phases{}", input);
  const std::string ends = call.integers({std::int64_t{1} << 40, std::int64_t{1} << 40}, prefix + "_to"),
                    axes = call.integers({2, 3}, prefix + "_axes"), steps = call.integers(list_of(strides), prefix + "_steps");
  for (std::int64_t i = 0; i < strides.height; ++i)
    for (std::int64_t j = 0; j < strides.width; ++j) {
      const std::string part = fmt::format("{}_{}_{}", prefix, i, j);
      phases.push_back(call.node("Slice", {map, call.integers({i, j}, part + "_from"), ends, axes, steps}, {}, part));
    }
  return phases;
}

namespace {

// Of every input the phase of the largest score, chosen for each image. `scores`: one (N, 1) for each phase.
void give_phases(ExportedCall& call, const std::vector<std::string>& scores, const Size2& strides, std::vector<std::string> first) {
  const std::string all = call.node("Concat", scores, {{"axis", std::int64_t{1}}}, "scores");
  const std::string choice = call.node("ArgMax", {all}, {{"axis", std::int64_t{1}}, {"keepdims", std::int64_t{1}}}, "choice");
  for (std::size_t input = 0; input < call.input_count(); ++input) {
    const std::vector<std::string> phases = input == 0 ? std::move(first) : phases_of(call, input, strides);
    const std::string axis = call.integers({1}, fmt::format("stack{}_axis", input));
    std::vector<std::string> stacked;
    for (std::size_t k = 0; k < phases.size(); ++k)
      stacked.push_back(call.node("Unsqueeze", {phases[k], axis}, {}, fmt::format("stack{}_{}", input, k)));
    const std::string stack = call.node("Concat", stacked, {{"axis", std::int64_t{1}}}, fmt::format("stack{}", input));
    call.give_first(
        call.node("GatherND", {stack, choice}, {{"batch_dims", std::int64_t{1}}}, input == 0 ? "" : fmt::format("output{}", input)), input);
  }
}

}  // namespace

void export_adaptive_polyphase(ExportedCall& call) {
  const Size2 strides = call.size("strides");
  const std::string order = call.text("order");
  const std::vector<std::string> phases = phases_of(call, 0, strides);
  std::vector<std::string> scores;
  for (std::size_t k = 0; k < phases.size(); ++k) {
    const std::string part = fmt::format("norm{}", k), row = call.node("Flatten", {phases[k]}, {}, part + "_row");
    const Attributes over = {{"axes", List{1}}, {"keepdims", std::int64_t{1}}};
    if (order == "linf")
      scores.push_back(call.node("ReduceMax", {call.node("Abs", {row}, {}, part + "_abs")}, over, part));
    else
      scores.push_back(call.node(order == "l1" ? "ReduceL1" : "ReduceSumSquare", {row}, over, part));
  }
  give_phases(call, scores, strides, phases);
}

void export_learnable_polyphase(ExportedCall& call) {
  const Size2 strides = call.size("strides");
  const std::vector<std::string> phases = phases_of(call, 0, strides);
  const std::string kernel = call.floats(with_axes(call.weights[0], {3, 2, 0, 1}), "kernel_1"),
                    bias = call.floats(call.weights[1], "bias_1"),
                    second = call.floats(with_axes(call.weights[2], {3, 2, 0, 1}), "kernel_2");
  std::vector<std::string> scores;
  const Shape phase = {call.image()[0] == Shape::none ? Shape::none : call.image()[0] / strides.height,
                       call.image()[1] == Shape::none ? Shape::none : call.image()[1] / strides.width, call.image()[2]};
  for (std::size_t k = 0; k < phases.size(); ++k) {
    const std::string part = fmt::format("score{}", k);
    const std::string hidden = call.node("Conv", {wrapped(call, phases[k], 1, phase, part + "_a"), kernel, bias}, {}, part + "_hidden");
    const std::string features = call.node(
        "Conv", {wrapped(call, call.node("Relu", {hidden}, {}, part + "_relu"), 1, phase, part + "_b"), second}, {}, part + "_features");
    scores.push_back(call.node("ReduceMean", {call.node("Flatten", {features}, {}, part + "_row")},
                               {{"axes", List{1}}, {"keepdims", std::int64_t{1}}}, part));
  }
  give_phases(call, scores, strides, phases);
}

}  // namespace linn::detail::formats::onnx
