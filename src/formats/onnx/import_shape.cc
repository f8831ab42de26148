// The same numbers under another shape or order, several values joined. Transposes only change the bookkeeping of axes
// (layout.h); a Permute appears where a layer needs another order.
#include <algorithm>
#include <cmath>

#include "core/checked.h"
#include "formats/onnx/operators.h"
#include "linn/layers/arrange.h"
#include "linn/layers/merge.h"

namespace linn::detail::formats::onnx {
namespace {

void reshape(const Operation& op, const Activation& source, const Sizes& target) {
  std::optional<Activation> result = op.network().reshaped(source, target, op.base_name());
  if (!result)
    op.refuse("a value of shape (N, {} cannot be brought to (N, {}", to_string(source.sizes()).substr(1), to_string(target).substr(1));
  op.give(*std::move(result));
}

// The product of the sizes; unset when one is open or it passes 63 bits.
std::optional<std::int64_t> product(const Sizes& sizes) {
  std::optional<std::int64_t> count = 1;
  for (const std::int64_t size : sizes) {
    if (size == Shape::none) return std::nullopt;
    if (count) count = core::checked_mul(*count, size);
  }
  return count;
}

}  // namespace

void import_flatten(const Operation& op) {
  const Activation source = op.input(0);
  const auto rank = static_cast<std::int64_t>(source.rank()) + 1;
  const std::int64_t axis = op.integer("axis", 1);
  if ((axis < 0 ? axis + rank : axis) != 1) op.refuse("attribute \"axis\" is {}; 1 is supported, which keeps the batch axis", axis);
  const Sizes sizes = source.sizes();
  const auto count = product(sizes);
  const auto large = std::count_if(sizes.begin(), sizes.end(), [](std::int64_t size) { return size != 1; });
  if (!count && large > 1)
    op.refuse("a value of shape (N, {} has open sizes; export the model with fixed height and width", to_string(sizes).substr(1));
  reshape(op, source, {count.value_or(Shape::none)});
}

// The first size of the target must be the batch.
void import_reshape(const Operation& op) {
  const Activation source = op.input(0);
  const ConstantPtr shape = op.constant(1);
  const bool keeps_zero = op.integer("allowzero", 0) != 0;
  if (shape->is_float || shape->elements() < 1 || shape->elements() > Shape::max_rank)
    op.refuse("the shape has {} sizes; 1 to {} integers are allowed", shape->elements(), Shape::max_rank);
  const Sizes sizes = source.sizes();
  Sizes target;
  std::int64_t open = -1;
  for (std::size_t i = 0; i < shape->elements(); ++i) {
    std::int64_t size = shape->integers[i];
    if (shape->mark(i) == Mark::open) size = -1;
    if (shape->mark(i) == Mark::batch && i > 0) op.refuse("the number of images stands at place {} of the shape; it must stand first", i);
    if (size == 0 && !keeps_zero && shape->mark(i) == Mark::known) {
      if (i > sizes.size())
        op.refuse("size {} of the shape is 0, which stands for that of the source, which has {} axes", i, sizes.size() + 1);
      size = i == 0 ? -2 : sizes[i - 1];
    }
    if (i == 0) {
      const bool is_batch = size == -2 || shape->mark(0) == Mark::batch || (op.network().batch() && size == *op.network().batch());
      if (!is_batch && size != -1) op.refuse("the shape begins with {}; the number of images must stay first", size);
      if (!is_batch) open = 0;
      continue;
    }
    if (size < -1 || (size == 0)) op.refuse("size {} of the shape is {}", i, size);
    if (size == -1) {
      if (open > 0) op.refuse("two sizes of the shape are open");
      open = open == 0 ? 0 : static_cast<std::int64_t>(i);
    }
    target.push_back(size);
  }
  const auto count = product(sizes);
  const auto gap = std::find(target.begin(), target.end(), Shape::none);
  Sizes known = target;
  known.erase(std::remove(known.begin(), known.end(), Shape::none), known.end());
  const std::int64_t rest = product(known).value_or(0);
  if (count && gap != target.end()) {
    if (rest < 1 || *count % rest != 0)
      op.refuse("a value of shape (N, {} does not fit (N, {}", to_string(sizes).substr(1), to_string(target).substr(1));
    *gap = *count / rest;
  } else if (count && rest != *count) {
    op.refuse("a value of shape (N, {} does not fit (N, {}; the number of images must stay as it is", to_string(sizes).substr(1),
              to_string(target).substr(1));
  }
  reshape(op, source, target);
}

void import_squeeze(const Operation& op) {
  const Activation source = op.input(0);
  const Sizes sizes = source.sizes();
  const auto axes = op.axes("axes", 1);
  std::vector<bool> drop(sizes.size() + 1, false);
  if (axes) {
    for (const std::int64_t axis : *axes) drop[op.axis(axis, drop.size())] = true;
  } else {
    for (std::size_t i = 0; i < sizes.size(); ++i) drop[i + 1] = sizes[i] == 1;
  }
  if (drop[0]) op.refuse("the batch axis cannot be squeezed");
  Sizes target;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (drop[i + 1] && sizes[i] != 1) op.refuse("axis {} has size {}; only axes of size 1 can be squeezed", i + 1, sizes[i]);
    if (!drop[i + 1]) target.push_back(sizes[i]);
  }
  if (target.empty()) op.refuse("nothing but the batch axis would be left");
  reshape(op, source, target);
}

void import_unsqueeze(const Operation& op) {
  const Activation source = op.input(0);
  const auto axes = op.axes("axes", 1);
  if (!axes) op.refuse("no axes are given");
  const Sizes sizes = source.sizes();
  const std::size_t rank = sizes.size() + 1 + axes->size();
  if (rank > Shape::max_rank) op.refuse("the result has {} axes; {} are allowed", rank, Shape::max_rank);
  std::vector<bool> is_new(rank, false);
  for (const std::int64_t axis : *axes) is_new[op.axis(axis, rank)] = true;
  if (is_new[0]) op.refuse("an axis before the batch axis is not supported");
  if (static_cast<std::size_t>(std::count(is_new.begin(), is_new.end(), true)) != axes->size()) op.refuse("an axis is named twice");
  Sizes target;
  for (std::size_t i = 1, from = 0; i < rank; ++i) target.push_back(is_new[i] ? 1 : sizes[from++]);
  reshape(op, source, target);
}

void import_transpose(const Operation& op) {
  const Activation source = op.network().straight(op.input(0), op.base_name());
  const std::size_t rank = source.rank() + 1;
  std::vector<std::int64_t> reversed;
  for (std::size_t i = rank; i-- > 0;) reversed.push_back(static_cast<std::int64_t>(i));
  const std::vector<std::int64_t> order = op.list("perm", reversed);
  std::vector<std::int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::reverse(sorted.begin(), sorted.end());
  if (sorted != reversed) op.refuse("attribute \"perm\" is {}; it must hold the numbers 0 to {}, each once", to_string(order), rank - 1);
  if (order[0] != 0) op.refuse("attribute \"perm\" is {}; the batch axis must stay first", to_string(order));
  std::vector<std::size_t> axes;
  for (std::size_t i = 1; i < rank; ++i) axes.push_back(static_cast<std::size_t>(order[i]) - 1);
  Activation result = source;
  result.order = transposed(source.order, axes);
  op.give(std::move(result));
}

void import_concat(const Operation& op) {
  std::vector<Activation> values;
  for (std::size_t i = 0; i < op.input_count(); ++i) values.push_back(op.network().straight(op.input(i), op.base_name()));
  if (values.empty()) op.refuse("no inputs");
  const std::size_t axis = op.axis(op.integer("axis", 1), values[0].rank() + 1);
  if (axis == 0) op.refuse("along the batch axis is not supported");
  std::vector<SymbolicTensor> symbols;
  bool non_negative = true;
  for (const Activation& value : values) {
    if (value.rank() != values[0].rank()) op.refuse("the inputs differ in their number of axes");
    symbols.push_back(op.arranged(value, values[0].order).symbol);
    non_negative = non_negative && value.is_non_negative;
  }
  Activation result = values[0];
  const auto place = static_cast<std::int64_t>(values[0].order[axis - 1]) + 1;
  result.symbol = op.call(Concatenate({.axis = place == static_cast<std::int64_t>(result.rank()) ? -1 : place}), symbols);
  result.is_non_negative = non_negative;
  op.give(std::move(result));
}

void import_cast(const Operation& op) {
  op.ignore({"saturate", "round_mode"});
  const auto type = static_cast<DataType>(op.integer("to", 0));
  if (!is_float(type)) op.refuse("a cast of a value to {} is not supported", name_of(type));
  op.give(op.input(0));
}

// Sizes that the file leaves open, and the number of images, stay marked as such.
void import_shape(const Operation& op) {
  const Sizes sizes = op.input(0).sizes();
  std::vector<std::int64_t> all = {op.network().batch().value_or(-1)};
  std::vector<Mark> marks = {Mark::batch};
  for (const std::int64_t size : sizes) all.push_back(size), marks.push_back(size == Shape::none ? Mark::open : Mark::known);
  const auto rank = static_cast<std::int64_t>(all.size());
  const auto clamp = [&](std::int64_t at) { return std::clamp(at < 0 ? at + rank : at, std::int64_t{0}, rank); };
  const std::int64_t start = clamp(op.integer("start", 0)), end = std::max(start, clamp(op.integer("end", rank)));
  op.give(make_integers({end - start}, {all.begin() + start, all.begin() + end}, {marks.begin() + start, marks.begin() + end}));
}

}  // namespace linn::detail::formats::onnx
