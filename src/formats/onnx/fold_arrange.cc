// Constants under another shape or order.
#include <algorithm>
#include <numeric>

#include "formats/onnx/fold.h"

namespace linn::detail::formats::onnx {
namespace {

using Dims = std::vector<std::int64_t>;

std::vector<std::size_t> steps_of(const Dims& dims) {
  std::vector<std::size_t> steps(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) steps[i - 1] = steps[i] * static_cast<std::size_t>(dims[i]);
  return steps;
}

// places[k] for all elements k of `dims`: base + the sum of (place along axis) * step of the axis. Steps may be negative or 0.
std::vector<std::size_t> walk(const Operation& op, const Dims& dims, const std::vector<std::int64_t>& steps, std::int64_t base) {
  const auto count = static_cast<std::size_t>(element_count(dims, op.where()));
  op.network().count_folded(count, op.where());
  std::vector<std::size_t> places(count);
  Dims at(dims.size(), 0);
  std::int64_t place = base;
  for (std::size_t& target : places) {
    target = static_cast<std::size_t>(place);
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      place += steps[axis];
      if (++at[axis] < dims[axis]) break;
      place -= steps[axis] * dims[axis];
      at[axis] = 0;
    }
  }
  return places;
}

std::vector<std::int64_t> signed_steps(const Dims& dims) {
  std::vector<std::int64_t> steps;
  for (const std::size_t step : steps_of(dims)) steps.push_back(static_cast<std::int64_t>(step));
  return steps;
}

Constant with_dims(Constant source, Dims dims) {
  source.dims = std::move(dims);
  return source;
}

}  // namespace

Constant fold_gather(const Operation& op) {
  const ConstantPtr data = op.constant(0), indices = op.constant(1);
  if (data->dims.empty()) op.refuse("a gather from a single number");
  const std::size_t axis = op.axis(op.integer("axis", 0), data->dims.size());
  const std::vector<std::int64_t> wanted = op.integers(1);
  const std::int64_t size = data->dims[axis];
  const auto steps = steps_of(data->dims);
  const std::size_t inner = steps[axis], outer = data->elements() / std::max<std::size_t>(1, inner * static_cast<std::size_t>(size));
  Dims dims(data->dims.begin(), data->dims.begin() + static_cast<std::ptrdiff_t>(axis));
  dims.insert(dims.end(), indices->dims.begin(), indices->dims.end());
  dims.insert(dims.end(), data->dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, data->dims.end());
  if (dims.size() > Shape::max_rank) op.refuse("the result has {} axes; {} are allowed", dims.size(), Shape::max_rank);
  std::vector<std::size_t> places;
  places.reserve(counted(op, dims));
  for (std::size_t o = 0; o < outer; ++o)
    for (const std::int64_t index : wanted) {
      const std::int64_t at = index < 0 ? index + size : index;
      if (at < 0 || at >= size) op.refuse("index {} of an axis with {} elements", index, size);
      for (std::size_t i = 0; i < inner; ++i)
        places.push_back((o * static_cast<std::size_t>(size) + static_cast<std::size_t>(at)) * inner + i);
    }
  return picked(op, *data, std::move(dims), places);
}

Constant fold_slice(const Operation& op) {
  const ConstantPtr data = op.constant(0);
  const Dims starts = op.opset() < 10 ? op.list("starts") : op.integers(1), ends = op.opset() < 10 ? op.list("ends") : op.integers(2);
  Dims axes(starts.size()), by(starts.size(), 1);
  std::iota(axes.begin(), axes.end(), 0);
  if (op.opset() < 10)
    axes = op.list("axes", axes);
  else if (op.has_input(3))
    axes = op.integers(3);
  if (op.has_input(4)) by = op.integers(4);
  if (ends.size() != starts.size() || axes.size() != starts.size() || by.size() != starts.size())
    op.refuse("{} starts, {} ends, {} axes and {} steps; as many of each are allowed", starts.size(), ends.size(), axes.size(), by.size());
  Dims dims = data->dims;
  std::vector<std::int64_t> steps = signed_steps(dims);
  std::int64_t base = 0;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = op.axis(axes[i], dims.size());
    const std::int64_t size = data->dims[axis], step = by[i];
    if (step == 0 || step < -(std::int64_t{1} << 31) || step > (std::int64_t{1} << 31)) op.refuse("step {} of a slice", step);
    const auto place = [&](std::int64_t at) { return at < 0 ? std::max(at + size, std::int64_t{-1}) : std::min(at, size); };
    const std::int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? size : size - 1;
    const std::int64_t first = std::clamp(place(starts[i]), step > 0 ? std::int64_t{0} : std::int64_t{-1}, highest);
    const std::int64_t last = std::clamp(ends[i] < -size ? lowest : place(ends[i]), lowest, size);
    const std::int64_t span = step > 0 ? last - first : first - last;
    dims[axis] = span <= 0 ? 0 : (span + std::abs(step) - 1) / std::abs(step);
    base += first * steps[axis];
    steps[axis] *= step;
  }
  return picked(op, *data, dims, walk(op, dims, steps, base));
}

Constant fold_concat(const Operation& op) {
  Constant result = *op.constant(0);
  const std::size_t axis = op.axis(op.integer("axis", 1), result.dims.size());
  std::vector<ConstantPtr> parts;
  result.dims[axis] = 0;
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    parts.push_back(op.constant(i));
    Dims dims = parts.back()->dims;
    if (dims.size() != result.dims.size() || parts.back()->is_float != result.is_float)
      op.refuse("the inputs differ in type or number of axes");
    result.dims[axis] += dims[axis];
    dims[axis] = result.dims[axis];
    if (dims != result.dims) op.refuse("the inputs differ in sizes other than that of axis {}", axis);
  }
  counted(op, result.dims);
  result.floats.clear(), result.integers.clear(), result.marks.clear();
  std::size_t outer = 1;
  for (std::size_t i = 0; i < axis; ++i) outer *= static_cast<std::size_t>(result.dims[i]);
  for (std::size_t o = 0; o < outer; ++o)
    for (const ConstantPtr& part : parts) {
      const std::size_t row = part->elements() / outer;
      for (std::size_t k = o * row; k < (o + 1) * row; ++k) {
        if (result.is_float)
          result.floats.push_back(part->floats[k]);
        else
          result.integers.push_back(part->integers[k]), result.marks.push_back(part->mark(k));
      }
    }
  return result;
}

Constant fold_squeeze(const Operation& op) {
  const ConstantPtr data = op.constant(0);
  std::vector<bool> drop(data->dims.size(), false);
  if (const auto axes = op.axes("axes", 1)) {
    for (const std::int64_t axis : *axes) drop[op.axis(axis, drop.size())] = true;
  } else {
    for (std::size_t i = 0; i < drop.size(); ++i) drop[i] = data->dims[i] == 1;
  }
  Dims dims;
  for (std::size_t i = 0; i < drop.size(); ++i) {
    if (drop[i] && data->dims[i] != 1) op.refuse("axis {} has size {}; only axes of size 1 can be squeezed", i, data->dims[i]);
    if (!drop[i]) dims.push_back(data->dims[i]);
  }
  return with_dims(*data, std::move(dims));
}

Constant fold_unsqueeze(const Operation& op) {
  const ConstantPtr data = op.constant(0);
  const auto axes = op.axes("axes", 1);
  if (!axes) op.refuse("no axes are given");
  const std::size_t rank = data->dims.size() + axes->size();
  if (rank > Shape::max_rank) op.refuse("the result has {} axes; {} are allowed", rank, Shape::max_rank);
  std::vector<bool> is_new(rank, false);
  for (const std::int64_t axis : *axes) is_new[op.axis(axis, rank)] = true;
  if (static_cast<std::size_t>(std::count(is_new.begin(), is_new.end(), true)) != axes->size()) op.refuse("an axis is named twice");
  Dims dims;
  for (std::size_t i = 0, from = 0; i < rank; ++i) dims.push_back(is_new[i] ? 1 : data->dims[from++]);
  return with_dims(*data, std::move(dims));
}

Constant fold_reshape(const Operation& op) {
  const ConstantPtr data = op.constant(0);
  const bool keeps_zero = op.integer("allowzero", 0) != 0;
  Dims dims = op.integers(1);
  if (dims.size() > Shape::max_rank) op.refuse("the result has {} axes; {} are allowed", dims.size(), Shape::max_rank);
  std::int64_t open = -1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && !keeps_zero) {
      if (i >= data->dims.size()) op.refuse("size {} is 0, which stands for the source's, which has {} axes", i, data->dims.size());
      dims[i] = data->dims[i];
    }
    if (dims[i] != -1) continue;
    if (open >= 0) op.refuse("two sizes are -1; one is allowed");
    open = static_cast<std::int64_t>(i);
    dims[i] = 1;
  }
  const std::int64_t rest = element_count(dims, op.where()), count = static_cast<std::int64_t>(data->elements());
  if (open >= 0) {
    if (rest == 0 || count % rest != 0) op.refuse("{} elements do not fit shape {}", count, to_string(dims));
    dims[static_cast<std::size_t>(open)] = count / rest;
  } else if (rest != count) {
    op.refuse("{} elements do not fit shape {}", count, to_string(dims));
  }
  return with_dims(*data, std::move(dims));
}

Constant fold_flatten(const Operation& op) {
  const ConstantPtr data = op.constant(0);
  const std::int64_t wanted = op.integer("axis", 1), rank = static_cast<std::int64_t>(data->dims.size());
  if (wanted < -rank || wanted > rank) op.refuse("axis {} of a value with {} axes", wanted, rank);
  const std::int64_t axis = wanted < 0 ? wanted + rank : wanted;
  const std::int64_t outer = element_count(std::span(data->dims).first(static_cast<std::size_t>(axis)), op.where());
  const std::int64_t inner = element_count(std::span(data->dims).subspan(static_cast<std::size_t>(axis)), op.where());
  return with_dims(*data, {outer, inner});
}

Constant fold_transpose(const Operation& op) {
  const ConstantPtr data = op.constant(0);
  const std::size_t rank = data->dims.size();
  Dims order = op.list("perm");
  if (!op.has("perm"))
    for (std::size_t i = rank; i-- > 0;) order.push_back(static_cast<std::int64_t>(i));
  Dims sorted = order, dims;
  std::sort(sorted.begin(), sorted.end());
  bool complete = order.size() == rank;
  for (std::size_t i = 0; complete && i < rank; ++i) complete = sorted[i] == static_cast<std::int64_t>(i);
  if (!complete) op.refuse("attribute \"perm\" must hold the numbers 0 to {}, each once", rank - 1);
  const std::vector<std::int64_t> steps = signed_steps(data->dims);
  std::vector<std::int64_t> moved;
  for (const std::int64_t axis : order) {
    dims.push_back(data->dims[static_cast<std::size_t>(axis)]);
    moved.push_back(steps[static_cast<std::size_t>(axis)]);
  }
  return picked(op, *data, dims, walk(op, dims, moved, 0));
}

Constant fold_expand(const Operation& op) {
  const ConstantPtr data = op.constant(0);
  Dims dims = op.integers(1), from = data->dims;
  if (std::max(dims.size(), from.size()) > Shape::max_rank) op.refuse("the result has more than {} axes", Shape::max_rank);
  const std::size_t rank = std::max(dims.size(), from.size());
  dims.insert(dims.begin(), rank - dims.size(), 1);
  from.insert(from.begin(), rank - from.size(), 1);
  std::vector<std::int64_t> steps = signed_steps(from);
  for (std::size_t i = 0; i < rank; ++i) {
    if (dims[i] != from[i] && dims[i] != 1 && from[i] != 1)
      op.refuse("shape {} cannot be expanded to {}", to_string(from), to_string(dims));
    if (dims[i] == 1) dims[i] = from[i];
    if (from[i] == 1) steps[i] = 0;
  }
  return picked(op, *data, dims, walk(op, dims, steps, 0));
}

Constant fold_tile(const Operation& op) {
  const ConstantPtr data = op.constant(0);
  const Dims repeats = op.integers(1);
  if (repeats.size() != data->dims.size()) op.refuse("{} repeats for {} axes", repeats.size(), data->dims.size());
  // Each axis as two: (repeat, place).
  Dims twice, dims;
  std::vector<std::int64_t> steps;
  const std::vector<std::int64_t> own = signed_steps(data->dims);
  for (std::size_t i = 0; i < repeats.size(); ++i) {
    twice.insert(twice.end(), {repeats[i], data->dims[i]});
    const std::int64_t both[] = {repeats[i], data->dims[i]};
    dims.push_back(element_count(both, op.where()));
    steps.insert(steps.end(), {0, own[i]});
  }
  return picked(op, *data, dims, walk(op, twice, steps, 0));
}

}  // namespace linn::detail::formats::onnx
