// Poolings of regions of other shapes than a window's, and unpooling.
#include <fmt/format.h>

#include <utility>

#include "formats/onnx/export_parts.h"
#include "formats/onnx/exporters.h"
#include "plan/ops/region_pool.h"

namespace linn::detail::formats::onnx {
namespace {

using RegionSizes = std::vector<std::int64_t>;

void check_closed(const ExportedCall& call) {
  if (call.image()[0] == Shape::none || call.image()[1] == Shape::none) throw NoOnnxForm("a map of open size");
}

// The regions [first, last) of one axis of a map, reduced by `op` to one cell each.
std::string reduced_axis(ExportedCall& call, const std::string& map, const char* op, std::int64_t axis,
                         const std::vector<std::pair<std::int64_t, std::int64_t>>& regions, const std::string& part) {
  std::vector<std::string> cells;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const std::string cell = fmt::format("{}{}_{}", part, axis, i);
    const std::string slice = call.node("Slice",
                                        {map, call.integers({regions[i].first}, cell + "_from"),
                                         call.integers({regions[i].second}, cell + "_to"), call.integers({axis}, cell + "_axis")},
                                        {}, cell + "_slice");
    cells.push_back(call.node(op, {slice}, {{"axes", RegionSizes{axis}}, {"keepdims", std::int64_t{1}}}, cell));
  }
  return call.node("Concat", cells, {{"axis", axis}}, fmt::format("{}{}", part, axis));
}

template <class Numeric>
std::vector<std::pair<std::int64_t, std::int64_t>> region_pairs(const std::vector<Numeric>& first, const std::vector<Numeric>& last) {
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (std::size_t i = 0; i < first.size(); ++i) pairs.emplace_back(first[i], last[i]);
  return pairs;
}

// Cell i of o sees cells floor(i n / o) to ceil((i + 1) n / o).
std::vector<std::pair<std::int64_t, std::int64_t>> shared_out(std::int64_t n, std::int64_t o) {
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (std::int64_t i = 0; i < o; ++i) pairs.emplace_back(i * n / o, ((i + 1) * n + o - 1) / o);
  return pairs;
}

// A convolution along one axis whose output has the map's size: zeros around, the odd one at the end.
std::string same_convolution(ExportedCall& call, const std::string& map, const Tensor& kernel, const std::string& part) {
  return call.node("Conv", {map, call.floats(with_axes(kernel, {3, 2, 0, 1}), part + "_kernel")}, {{"auto_pad", std::string("SAME_UPPER")}},
                   part);
}

// A 1x1 convolution by a kernel [channels, outputs].
std::string pointwise_convolution(ExportedCall& call, const std::string& map, const Tensor& kernel, const std::string& part) {
  const Shape& s = kernel.shape();
  return call.node("Conv", {map, call.floats(with_axes(kernel.reshape({1, 1, s[0], s[1]}), {3, 2, 0, 1}), part + "_kernel")}, {}, part);
}

}  // namespace

// With the borders of inference.
void export_fractional_max(ExportedCall& call) {
  check_closed(call);
  const Shape &in = call.image(), &out = call.results[0].image;
  const io::Json &pool = call.config.at("pool_size"), &seed = call.config.at("seed");
  const plan::FixedRegions regions = plan::fractional_regions_of_inference({in[0], in[1], in[2], out[0], out[1]},
                                                                           {.pool_size = pool.is_null() ? Size2() : call.size("pool_size"),
                                                                            .pseudo_random = call.flag("pseudo_random"),
                                                                            .overlapping = call.flag("overlapping"),
                                                                            .seed = seed.is_null() ? 0 : seed.get<std::uint64_t>()});
  const std::string rows =
      reduced_axis(call, call.channels_first(), "ReduceMax", 2, region_pairs(regions.first_row, regions.last_row), "cell");
  call.give_first(reduced_axis(call, rows, "ReduceMax", 3, region_pairs(regions.first_column, regions.last_column), "cell"));
}

// ONNX counts places through all images and channels.
void export_max_with_argmax(ExportedCall& call) {
  check_closed(call);
  const Size2 size = call.size("pool_size"), strides = call.size("strides");
  Attributes attributes = {{"kernel_shape", RegionSizes{size.height, size.width}}, {"strides", RegionSizes{strides.height, strides.width}}};
  const io::Json& padding = call.config.at("padding");
  if (padding == "same") attributes.emplace_back("auto_pad", std::string("SAME_UPPER"));
  if (padding.is_array())
    attributes.emplace_back("pads", RegionSizes{padding[0][0].get<std::int64_t>(), padding[1][0].get<std::int64_t>(),
                                                padding[0][1].get<std::int64_t>(), padding[1][1].get<std::int64_t>()});
  const std::vector<std::string> pooled = call.writer.node("MaxPool", {call.channels_first()}, attributes, call.name + "/pooled", 2);
  const std::string places = call.node("Mod", {pooled[1], call.integers({call.image()[0] * call.image()[1]}, "pixels")}, {}, "in_map");
  call.give_first(pooled[0], 0);
  call.give_first(call.node("Cast", {places}, {{"to", std::int64_t{1}}}, "places"), 1);
}

// Places outside the map get the value 0 at place 0.
void export_max_unpooling(ExportedCall& call) {
  const Shape& out = call.results[0].image;
  if (out[0] == Shape::none || out[1] == Shape::none) throw NoOnnxForm("a map of open size");
  const auto pixels = static_cast<double>(out[0] * out[1]);
  const std::string row = call.integers({0, 0, -1}, "row_shape"), none = call.number_value(0, "none");
  const std::string all_values = call.node("Reshape", {call.channels_first(0), row}, {}, "all_values");
  const std::string all_places = call.node("Reshape", {call.channels_first(1), row}, {}, "all_places");
  const std::string inside = call.node("And",
                                       {call.node("GreaterOrEqual", {all_places, none}, {}, "from_first"),
                                        call.node("Less", {all_places, call.number_value(pixels, "pixels")}, {}, "to_last")},
                                       {}, "inside");
  const std::string values = call.node("Where", {inside, all_values, none}, {}, "values");
  const std::string places =
      call.node("Cast", {call.node("Where", {inside, all_places, none}, {}, "real_places")}, {{"to", std::int64_t{7}}}, "places");
  const std::string shape = call.node("Shape", {values}, {}, "values_shape");
  const std::string ends = call.node("Slice", {shape, call.integers({0}, "from"), call.integers({2}, "to")}, {}, "ends");
  const std::string whole =
      call.node("Concat", {ends, call.integers({out[0] * out[1]}, "cells")}, {{"axis", std::int64_t{0}}}, "zeros_shape");
  const std::string zeros = call.node("ConstantOfShape", {whole}, {}, "zeros");
  const std::string put =
      call.node("ScatterElements", {zeros, places, values}, {{"axis", std::int64_t{2}}, {"reduction", std::string("add")}}, "put");
  call.give_first(call.node("Reshape", {put, call.integers({0, 0, out[0], out[1]}, "shape")}));
}

void export_pyramid(ExportedCall& call) {
  check_closed(call);
  const char* op = call.text("pooling") == "max" ? "ReduceMax" : "ReduceMean";
  std::vector<std::string> rows;
  std::size_t number = 0;
  for (const io::Json& json : call.config.at("levels")) {
    const auto level = json.get<std::int64_t>();
    const std::string part = fmt::format("level{}_", number++);
    const std::string map = reduced_axis(call, reduced_axis(call, call.channels_first(), op, 2, shared_out(call.image()[0], level), part),
                                         op, 3, shared_out(call.image()[1], level), part);
    rows.push_back(
        call.node("Flatten", {call.node("Transpose", {map}, {{"perm", RegionSizes{0, 2, 3, 1}}}, part + "last")}, {}, part + "row"));
  }
  call.give_natural(call.node("Concat", rows, {{"axis", std::int64_t{1}}}));
}

void export_strip(ExportedCall& call) {
  const std::string map = call.channels_first();
  const auto mean = [&](std::int64_t axis, const char* part) {
    return call.node("ReduceMean", {map}, {{"axes", RegionSizes{axis}}, {"keepdims", std::int64_t{1}}}, part);
  };
  const std::string rows = same_convolution(call, mean(3, "row_means"), call.weights[0], "rows"),
                    columns = same_convolution(call, mean(2, "column_means"), call.weights[1], "columns");
  const std::string both = call.node("Add", {rows, columns}, {}, "both");
  const std::string logits = call.node(
      "Conv", {both, call.floats(with_axes(call.weights[2], {3, 2, 0, 1}), "kernel"), call.floats(call.weights[3], "bias")}, {}, "logits");
  call.give_first(call.node("Mul", {map, call.node("Sigmoid", {logits}, {}, "gate")}));
}

void export_attention(ExportedCall& call) {
  const std::string map = call.channels_first();
  std::string hidden = call.node("Tanh", {pointwise_convolution(call, map, call.weights[0], "hidden")}, {}, "tanh");
  if (call.flag("gated"))
    hidden = call.node("Mul", {hidden, call.node("Sigmoid", {pointwise_convolution(call, map, call.weights[1], "gate")}, {}, "sigmoid")},
                       {}, "gated");
  const std::string logits = pointwise_convolution(call, hidden, call.weights.back(), "logits");
  const std::string row = call.integers({0, 0, -1}, "row_shape");
  const std::string attention =
      call.node("Softmax", {call.node("Reshape", {logits, row}, {}, "logits_row")}, {{"axis", std::int64_t{2}}}, "attention");
  const std::string weighted = call.node("Mul", {call.node("Reshape", {map, row}, {}, "pixels"), attention}, {}, "weighted");
  const bool keeps = call.flag("keepdims");
  const std::string sum =
      call.node("ReduceSum", {weighted, call.integers({2}, "axes")}, {{"keepdims", std::int64_t{0}}}, keeps ? "sum" : "");
  if (!keeps) return call.give_natural(sum);
  call.give_first(call.node("Reshape", {sum, call.integers({0, call.image()[2], 1, 1}, "shape")}));
}

}  // namespace linn::detail::formats::onnx
