// What stands around a map: Pad, and with the depthwise binomial convolution behind it the blurred pooling of Zhang 2019.
#include <algorithm>
#include <array>
#include <cmath>

#include "formats/onnx/affine.h"
#include "formats/onnx/operators.h"
#include "formats/onnx/patterns.h"
#include "linn/layers/arrange.h"
#include "linn/layers/blur.h"
#include "linn/layers/merge.h"
#include "linn/layers/pad.h"

namespace linn::detail::formats::onnx {
namespace {

constexpr std::int64_t most_mirrored = 32;  // rows or columns on a side, each of which takes a layer

// Rows and columns around a map whose axes `order` puts first in linn.
struct MapPads {
  Order order;
  Pads2 grow = 0, cut = 0;
};

// The pads by axis of the value, the batch axis too.
struct AllPads {
  std::vector<std::int64_t> before, after;

  bool none() const {
    const auto zero = [](std::int64_t pad) { return pad == 0; };
    return std::all_of(before.begin(), before.end(), zero) && std::all_of(after.begin(), after.end(), zero);
  }
};

AllPads read_pads(const Operation& op, std::size_t rank) {
  const std::vector<std::int64_t> listed = op.opset() < 11 ? op.list("pads") : op.integers(1);
  AllPads pads{std::vector<std::int64_t>(rank, 0), std::vector<std::int64_t>(rank, 0)};
  std::vector<std::int64_t> axes;
  for (std::size_t i = 0; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
  if (op.has_input(3)) axes = op.integers(3);
  if (listed.size() != 2 * axes.size()) op.refuse("{} pads for {} axes", listed.size(), axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    pads.before[op.axis(axes[i], rank)] = listed[i];
    pads.after[op.axis(axes[i], rank)] = listed[i + axes.size()];
  }
  const auto outside = [](std::int64_t pad) { return pad < -(1 << 20) || pad > (1 << 20); };
  if (std::any_of(listed.begin(), listed.end(), outside)) op.refuse("pads {}", to_string(listed));
  return pads;
}

MapPads map_pads(const Operation& op, const AllPads& pads) {
  const std::size_t rank = pads.before.size();
  std::vector<std::size_t> padded;
  for (std::size_t i = 1; i < rank; ++i)
    if (pads.before[i] != 0 || pads.after[i] != 0) padded.push_back(i);
  if (rank != 4 || pads.before[0] != 0 || pads.after[0] != 0 || padded.size() > 2)
    op.refuse("pads {} and {} of a value with {} axes; two axes of maps can be padded", to_string(pads.before), to_string(pads.after),
              rank);
  for (std::size_t axis = rank; axis-- > 1 && padded.size() < 2;)
    if (std::find(padded.begin(), padded.end(), axis) == padded.end()) padded.push_back(axis);
  std::sort(padded.begin(), padded.end());
  MapPads result{.order = Order(3)};
  std::size_t next = 0;
  for (std::size_t i = 0; i < 3; ++i) result.order[i] = std::find(padded.begin(), padded.end(), i + 1) == padded.end() ? 2 : next++;
  const auto pads_of = [&](std::int64_t sign) {
    const auto take = [&](std::int64_t pad) { return std::max<std::int64_t>(0, sign * pad); };
    return Pads2{{take(pads.before[padded[0]]), take(pads.after[padded[0]])}, {take(pads.before[padded[1]]), take(pads.after[padded[1]])}};
  };
  result.grow = pads_of(1), result.cut = pads_of(-1);
  return result;
}

// ---- blurred pooling ---------------------------------------------------------------------------------------------

// Row taps - 1 of Pascal's triangle, as shares.
std::vector<double> binomial(std::size_t taps) {
  std::vector<double> row = {1};
  while (row.size() < taps) {
    row.push_back(0);
    for (std::size_t i = row.size() - 1; i > 0; --i) row[i] += row[i - 1];
  }
  for (double& value : row) value /= std::pow(2.0, static_cast<double>(taps) - 1);
  return row;
}

// Whether all filters (channels, 1, taps, taps) are the binomial one.
bool is_binomial(const Constant& filters) {
  const auto taps = static_cast<std::size_t>(filters.dims[2]);
  const std::vector<double> row = binomial(taps);
  for (std::size_t k = 0; k < filters.floats.size(); ++k)
    if (std::abs(static_cast<double>(filters.floats[k]) - row[k / taps % taps] * row[k % taps]) > 1e-6) return false;
  return true;
}

// The names of linn's pads for these numbers, if there is one.
std::string blur_pads(const Pads2& pads, std::int64_t taps, const Size2& strides) {
  const Pads1 zhang = {(taps - 1) / 2, taps / 2};
  if (pads == Pads2(zhang, zhang)) return "zhang";
  if (pads == Pads2(Pads1((strides.height + taps - 2) / 2), Pads1((strides.width + taps - 2) / 2))) return "timm";
  return pads == Pads2((taps - 1) / 2) ? "kornia" : "";
}

// Of a Pad whose only reader is a depthwise convolution with the binomial filter: the pooling of both.
std::optional<Activation> matched_blur(const Operation& op, const Activation& source, const MapPads& pads, const std::string& border) {
  const Node* conv = op.node().outputs.empty() ? nullptr : op.network().only_reader(op.node().outputs[0]);
  if (conv == nullptr || conv->op_type != "Conv" || conv->inputs.size() != 2 || conv->outputs.size() != 1 || pads.cut != Pads2(0) ||
      pads.order != channels_last(3))
    return std::nullopt;
  if (conv->inputs[0] != op.node().outputs[0] || !op.network().is_constant(conv->inputs[1])) return std::nullopt;
  const ConstantPtr filters = std::get<ConstantPtr>(*op.network().find(conv->inputs[1]));
  const std::int64_t channels = source.sizes()[0];
  const Attribute *group = attribute_of(*conv, "group"), *own_pads = attribute_of(*conv, "pads"), *strides = attribute_of(*conv, "strides"),
                  *dilations = attribute_of(*conv, "dilations"), *auto_pad = attribute_of(*conv, "auto_pad");
  const auto all = [](const Attribute* attribute, std::int64_t wanted) {
    return attribute == nullptr ||
           std::all_of(attribute->ints.begin(), attribute->ints.end(), [&](std::int64_t value) { return value == wanted; });
  };
  if (!filters->is_float || filters->dims.size() != 4 || filters->dims[0] != channels || filters->dims[1] != 1 ||
      filters->dims[2] != filters->dims[3])
    return std::nullopt;
  const std::int64_t taps = filters->dims[2];
  if (taps < 2 || taps > 7 || (channels > 1 && (group == nullptr || group->i != channels)) || !all(own_pads, 0) || !all(dilations, 1))
    return std::nullopt;
  if ((auto_pad != nullptr && auto_pad->s != "NOTSET" && auto_pad->s != "VALID") || !is_binomial(*filters)) return std::nullopt;
  Size2 step = 1;
  if (strides != nullptr && strides->ints.size() == 2) step = {strides->ints[0], strides->ints[1]};
  if (step.height < 1 || step.width < 1 || step.height > 1024 || step.width > 1024) return std::nullopt;
  const std::string kind = blur_pads(pads.grow, taps, step);
  if (kind.empty()) return std::nullopt;
  const Activation map = op.arranged(source, channels_last(3));
  Activation result = map;
  result.symbol = op.call(BlurPooling2D(taps, {.strides = step, .border = border, .pads = kind}), map.symbol);
  op.network().mark_done(*conv);
  op.stand_for(conv->outputs[0]);
  return result;
}

// Whether all that read the result of this node are poolings of maxima.
bool is_before_maxima(const Operation& op) {
  const auto readers = op.network().readers(op.node().outputs[0]);
  const auto is_maximum = [](const Node* node) { return node->op_type == "MaxPool"; };
  return !op.network().is_output(op.node().outputs[0]) && std::all_of(readers.begin(), readers.end(), is_maximum);
}

// ---- mirrored and repeated pads ----------------------------------------------------------------------------------

// Rows (axis 0) or columns [first, last) of a map.
SymbolicTensor section(const Operation& op, const SymbolicTensor& map, std::size_t axis, std::int64_t first, std::int64_t last,
                       const std::string& suffix) {
  const Pads1 cut = {first, map.shape().begin()[axis] - last};
  return op.call(Cropping2D(axis == 0 ? Pads2{cut, 0} : Pads2{0, cut}), map, {}, suffix);
}

SymbolicTensor mirrored_axis(const Operation& op, const SymbolicTensor& map, std::size_t axis, const Pads1& pads, std::string_view mode) {
  if (pads == Pads1(0)) return map;
  const std::int64_t size = map.shape().begin()[axis];
  if (size == Shape::none)
    op.refuse("mode {} needs the size of the map, which the file leaves open; export the model with fixed height and width", mode);
  const std::int64_t most = mode == "reflect" ? size - 1 : mode == "wrap" ? size : most_mirrored;
  if (std::max(pads.before, pads.after) > std::min(most, most_mirrored))
    op.refuse("mode {} with pads of {} and {} around {} cells", mode, pads.before, pads.after, size);
  std::vector<SymbolicTensor> parts;
  const auto add = [&](std::int64_t cell, std::int64_t number) {
    parts.push_back(section(op, map, axis, cell, cell + 1, fmt::format("axis{}_cell{}", axis, number)));
  };
  for (std::int64_t i = 0; i < pads.before; ++i) add(mode == "reflect" ? pads.before - i : mode == "wrap" ? size - pads.before + i : 0, i);
  parts.push_back(map);
  for (std::int64_t i = 0; i < pads.after; ++i) add(mode == "reflect" ? size - 2 - i : mode == "wrap" ? i : size - 1, pads.before + i);
  return op.call(Concatenate({.axis = static_cast<std::int64_t>(axis) + 1}), parts, {}, fmt::format("axis{}", axis));
}

}  // namespace

void import_pad(const Operation& op) {
  const std::string_view mode = op.text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    op.refuse("attribute \"mode\" is \"{}\"; constant, reflect, edge and wrap are allowed", mode);
  double value = op.opset() < 11 ? op.number("value", 0) : 0;
  if (op.opset() >= 11 && op.has_input(2)) {
    const ConstantPtr found = op.constant(2);
    if (!found->is_scalar()) op.refuse("the value in the pads has shape {}; one number is allowed", found->shape_text());
    value = found->number(0);
  }
  const Activation source = op.input(0);
  const AllPads all = read_pads(op, source.rank() + 1);
  if (all.none()) return op.give(source);
  const MapPads pads = map_pads(op, all);
  const bool is_constant = mode == "constant";
  if (!is_constant || value == 0) {
    const std::string border = is_constant ? "zero" : mode == "edge" ? "replicate" : mode == "wrap" ? "circular" : "reflect";
    if (const auto blurred = matched_blur(op, source, pads, border)) return op.give(*blurred);
  }
  Activation result = op.arranged(source, pads.order);
  if (pads.cut != Pads2(0)) result.symbol = op.call(Cropping2D(pads.cut), result.symbol, {}, "crop");
  if (pads.grow == Pads2(0)) return op.give(result);
  if (!is_constant) {
    result.symbol = mirrored_axis(op, result.symbol, 0, pads.grow.height, mode);
    result.symbol = mirrored_axis(op, result.symbol, 1, pads.grow.width, mode);
    return op.give(result);
  }
  // Pads that no maximum can lie in belong to the windows.
  if (value < -1e30 && pads.cut == Pads2(0) && pads.order == channels_last(3) && is_before_maxima(op)) {
    result.least = pads.grow;
    return op.give(result);
  }
  // Another value than 0: zeros around values from which it was taken, and all of it added again.
  if (!(std::abs(value) <= 1e4)) op.refuse("a value of {} in the pads is not supported; -10,000 to 10,000 is", value);
  if (value != 0) result = scaled(op, result, 1, -value, "less");
  result.symbol = op.call(ZeroPadding2D(pads.grow), result.symbol, {}, value == 0 ? "" : "zeros");
  op.give(scaled(op, result, 1, value));
}

}  // namespace linn::detail::formats::onnx
