// Reductions, by global poolings: a sum is a mean times the number of cells, a minimum the largest of the negatives, negated.
#include <algorithm>

#include "formats/onnx/affine.h"
#include "formats/onnx/operators.h"
#include "formats/onnx/patterns.h"
#include "linn/layers/pool.h"

namespace linn::detail::formats::onnx {
namespace {

enum class Reduction : std::uint8_t { mean, sum, max, min };

Activation reduced(const Operation& op, Reduction kind, const Activation& from) {
  const bool is_max = kind == Reduction::max || kind == Reduction::min;
  const bool keeps = op.integer("keepdims", 1) != 0;
  const Activation source = op.network().straight(from, op.base_name());
  const std::size_t rank = source.rank() + 1;
  std::optional<std::vector<std::int64_t>> listed = op.axes("axes", 1);
  const bool empty_is_none = op.integer("noop_with_empty_axes", 0) != 0;
  if ((!listed || listed->empty()) && empty_is_none) return source;
  std::vector<bool> reduced(rank, !listed || listed->empty());
  if (listed)
    for (const std::int64_t axis : *listed) reduced[op.axis(axis, rank)] = true;
  if (reduced[0]) op.refuse("over the batch axis is not supported");

  // The reduced axes first, as rows; the others behind, as channels.
  const Sizes sizes = source.sizes();
  Order order(source.rank());
  std::size_t next = 0;
  Sizes kept, result_sizes;
  std::int64_t rows = 1, channels = 1;
  for (const bool first : {true, false})
    for (std::size_t i = 0; i < source.rank(); ++i)
      if (reduced[i + 1] == first) order[i] = next++;
  const bool is_map = source.rank() == 3 && std::count(reduced.begin(), reduced.end(), true) == 2;
  for (std::size_t i = 0; i < source.rank(); ++i) {
    if (!is_map && sizes[i] == Shape::none)
      op.refuse("over axes of a value (N, {} with an open size is not supported", to_string(sizes).substr(1));
    (reduced[i + 1] ? rows : channels) *= sizes[i];
    if (!reduced[i + 1]) kept.push_back(sizes[i]);
    if (keeps || !reduced[i + 1]) result_sizes.push_back(reduced[i + 1] ? 1 : sizes[i]);
  }
  if (kind == Reduction::sum && std::count(sizes.begin(), sizes.end(), Shape::none) > 0)
    op.refuse("over axes of a value (N, {} with an open size is not supported", to_string(sizes).substr(1));
  Activation map = op.arranged(source, order);
  if (kind == Reduction::min) map = scaled(op, map, -1, 0, "negative");
  if (!is_map) {
    map.order = onnx_order(map.rank());
    const auto reshaped = op.network().reshaped(map, {rows, 1, channels}, op.base_name());
    map = *reshaped;
    if (map.order != onnx_order(3)) map = op.arranged(map, onnx_order(3));
  }
  const Layer layer = is_max ? Layer(GlobalMaxPooling2D({.keepdims = true})) : Layer(GlobalAveragePooling2D({.keepdims = true}));
  Activation result = {.symbol = op.call(layer, map.symbol), .order = onnx_order(3)};
  // (1, 1, channels): in ONNX's order the kept axes follow each other.
  if (is_map && keeps) {
    result.order = order;
  } else {
    const auto reshaped = op.network().reshaped(result, result_sizes, op.base_name());
    if (!reshaped) op.refuse("its result cannot be brought to shape (N, {}", to_string(result_sizes).substr(1));
    result = *reshaped;
  }
  if (kind == Reduction::min) result = scaled(op, result, -1, 0, "minimum");
  if (kind == Reduction::sum) result = scaled(op, result, static_cast<double>(rows), 0, "sum");
  result.is_non_negative = source.is_non_negative;
  return result;
}

}  // namespace

void import_reduce_mean(const Operation& op) {
  if (const auto normalized = matched_layer_norm(op)) return op.give(*normalized);
  op.give(reduced(op, Reduction::mean, op.input(0)));
}
void import_reduce_sum(const Operation& op) { op.give(reduced(op, Reduction::sum, op.input(0))); }
void import_reduce_max(const Operation& op) { op.give(reduced(op, Reduction::max, op.input(0))); }
void import_reduce_min(const Operation& op) { op.give(reduced(op, Reduction::min, op.input(0))); }
void import_reduce_l1(const Operation& op) { op.give(reduced(op, Reduction::sum, magnitude(op, op.input(0), "magnitude"))); }
void import_reduce_sum_square(const Operation& op) { op.give(reduced(op, Reduction::sum, raised(op, op.input(0), 2, "square"))); }
void import_reduce_l2(const Operation& op) { op.give(raised(op, reduced(op, Reduction::sum, raised(op, op.input(0), 2, "square")), 0.5)); }

}  // namespace linn::detail::formats::onnx
