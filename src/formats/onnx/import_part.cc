// A part of a value: Slice, Split, Gather; and values that are repeated or rearranged in blocks.
#include <algorithm>
#include <numeric>

#include "formats/onnx/affine.h"
#include "formats/onnx/operators.h"
#include "linn/layers/arrange.h"
#include "linn/layers/pool.h"
#include "linn/layers/resize.h"

namespace linn::detail::formats::onnx {
namespace {

// Elements first, first + step, ... of an axis of the image: `count` of them.
struct Range {
  std::int64_t first = 0, count = 0, step = 1;
};

// By a Cropping2D, for which other axes than rows and columns of a map are made such by a Reshape, which costs nothing.
Activation narrowed(const Operation& op, const Activation& value, std::size_t axis, const Range& range, const std::string& suffix) {
  const Shape shape = value.symbol.shape();
  const std::size_t place = value.order[axis];
  const std::int64_t size = shape.begin()[place], after = size - range.first - ((range.count - 1) * range.step + 1);
  Activation result = value;
  if (range.count == size && range.step == 1) return result;
  if (value.rank() == 3 && place < 2) {
    const Pads1 cut = {range.first, after};
    if (cut != Pads1(0)) result.symbol = op.call(Cropping2D(place == 0 ? Pads2{cut, 0} : Pads2{0, cut}), result.symbol, {}, suffix);
    if (range.step > 1)
      result.symbol = op.call(MaxPooling2D(1, {.strides = place == 0 ? Size2{range.step, 1} : Size2{1, range.step}}), result.symbol, {},
                              suffix + "_step");
    return result;
  }
  std::int64_t outer = 1, inner = 1;
  Sizes sizes(shape.begin(), shape.end());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == Shape::none)
      op.refuse("a part of a value with open sizes is not supported; export the model with fixed height and width");
    if (i != place) (i < place ? outer : inner) *= sizes[i];
  }
  sizes[place] = range.count;
  const auto reshape = [&](const Sizes& to, const char* what) {
    result.symbol = op.call(Reshape(Axes(to)), result.symbol, {}, suffix + what);
  };
  reshape({outer, size, inner}, "_rows");
  if (range.first != 0 || after != 0) result.symbol = op.call(Cropping2D({0, {range.first, after}}), result.symbol, {}, suffix + "_crop");
  if (range.step > 1) result.symbol = op.call(MaxPooling2D(1, {.strides = {1, range.step}}), result.symbol, {}, suffix + "_step");
  reshape(sizes, "");
  return result;
}

}  // namespace

void import_slice(const Operation& op) {
  const bool is_old = op.opset() < 10;
  const auto starts = is_old ? op.list("starts") : op.integers(1), ends = is_old ? op.list("ends") : op.integers(2);
  std::vector<std::int64_t> axes(starts.size()), steps(starts.size(), 1);
  std::iota(axes.begin(), axes.end(), 0);
  if (is_old)
    axes = op.list("axes", axes);
  else if (op.has_input(3))
    axes = op.integers(3);
  if (op.has_input(4)) steps = op.integers(4);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    op.refuse("{} starts, {} ends, {} axes and {} steps; as many of each are allowed", starts.size(), ends.size(), axes.size(),
              steps.size());
  Activation value = op.network().straight(op.input(0), op.base_name());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = op.axis(axes[i], value.rank() + 1);
    if (steps[i] < 1 || steps[i] > (1 << 20)) op.refuse("step {}; 1 or more is supported", steps[i]);
    if (axis == 0) {
      if (starts[i] != 0 || ends[i] < (1 << 30) || steps[i] != 1) op.refuse("a part of the batch is not supported");
      continue;
    }
    std::int64_t size = value.sizes()[axis - 1];
    if (size == Shape::none) {
      // From the beginning and the end, whatever lies between.
      const std::int64_t cut = ends[i] < 0 ? -ends[i] : 0, place = static_cast<std::int64_t>(value.order[axis - 1]);
      if (starts[i] < 0 || starts[i] > (1 << 20) || cut > (1 << 20) || (ends[i] >= 0 && ends[i] < (1 << 30)) || value.rank() != 3 ||
          place > 1 || steps[i] != 1)
        op.refuse("from {} to {} by {} of an axis whose size the file leaves open; export the model with fixed height and width", starts[i],
                  ends[i], steps[i]);
      if (starts[i] == 0 && cut == 0) continue;
      const Pads1 both = {starts[i], cut};
      value.symbol = op.call(Cropping2D(place == 0 ? Pads2{both, 0} : Pads2{0, both}), value.symbol, {}, fmt::format("{}", i));
      continue;
    }
    const auto inside = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? (at < -size ? 0 : at + size) : at, 0, size); };
    const std::int64_t first = inside(starts[i]), count = (inside(ends[i]) - first + steps[i] - 1) / steps[i];
    if (count < 1) op.refuse("nothing is left of axis {}", axis);
    value = narrowed(op, value, axis - 1, {first, count, steps[i]}, fmt::format("{}", i));
  }
  op.give(value);
}

void import_split(const Operation& op) {
  const Activation value = op.network().straight(op.input(0), op.base_name());
  const std::size_t axis = op.axis(op.integer("axis", 0), value.rank() + 1), parts = op.node().outputs.size();
  if (axis == 0) op.refuse("along the batch axis is not supported");
  const std::int64_t size = value.sizes()[axis - 1];
  if (size == Shape::none) op.refuse("along an axis whose size the file leaves open");
  op.ignore({"num_outputs"});
  std::vector<std::int64_t> counts;
  if (op.opset() < 13)
    counts = op.list("split");
  else if (op.has_input(1))
    counts = op.integers(1);
  if (counts.empty()) {  // as equal as can be, the last one smaller
    const auto each = (size + static_cast<std::int64_t>(parts) - 1) / static_cast<std::int64_t>(std::max<std::size_t>(1, parts));
    for (std::size_t i = 0; i < parts; ++i) counts.push_back(std::min(each, size - static_cast<std::int64_t>(i) * each));
  }
  std::int64_t first = 0;
  if (counts.size() != parts) op.refuse("{} sizes for {} outputs", counts.size(), parts);
  for (std::size_t i = 0; i < parts; ++i) {
    if (counts[i] < 1 || counts[i] > size - first) op.refuse("sizes {} do not fit an axis of {}", to_string(counts), size);
    op.give(i, narrowed(op, value, axis - 1, {first, counts[i], 1}, fmt::format("part{}", i)));
    first += counts[i];
  }
  if (first != size) op.refuse("sizes {} do not fit an axis of {}", to_string(counts), size);
}

// One place of an axis, or places that follow each other.
void import_gather(const Operation& op) {
  const Activation value = op.network().straight(op.input(0), op.base_name());
  const std::size_t axis = op.axis(op.integer("axis", 0), value.rank() + 1);
  const ConstantPtr shape = op.constant(1);
  std::vector<std::int64_t> places = op.integers(1);
  if (axis == 0 || shape->dims.size() > 1 || places.empty())
    op.refuse("of a value with indices {} along axis {} is not supported; places of one axis other than the batch are", shape->shape_text(),
              axis);
  const std::int64_t size = value.sizes()[axis - 1];
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (size == Shape::none || places[i] < -size || places[i] >= size) op.refuse("index {} of an axis of {}", places[i], size);
    if (places[i] < 0) places[i] += size;
    if (places[i] != places[0] + static_cast<std::int64_t>(i)) op.refuse("indices that do not follow each other are not supported");
  }
  Activation part = narrowed(op, value, axis - 1, {places[0], static_cast<std::int64_t>(places.size()), 1}, "part");
  if (shape->dims.empty()) {
    Sizes target = part.sizes();
    target.erase(target.begin() + static_cast<std::ptrdiff_t>(axis) - 1);
    if (target.empty()) op.refuse("nothing but the batch axis would be left");
    const auto reshaped = op.network().reshaped(part, target, op.base_name());
    if (!reshaped)
      op.refuse("a value of shape (N, {} cannot be brought to (N, {}", to_string(part.sizes()).substr(1), to_string(target).substr(1));
    part = *reshaped;
  }
  op.give(part);
}

namespace {

// An axis of size 1, repeated: as the rows of a map, for which other values are made such by a Reshape, which costs nothing.
Activation repeated(const Operation& op, Activation value, std::size_t axis, std::int64_t times) {
  Order order = value.order;
  for (std::size_t& place : order)
    if (place < value.order[axis]) ++place;
  order[axis] = 0;
  value = op.arranged(value, order);
  const Shape image = value.symbol.shape();
  const UpSampling2D layer({times, 1});
  const std::string suffix = fmt::format("axis{}", axis + 1);
  if (value.rank() == 3) {
    value.symbol = op.call(layer, value.symbol, {}, suffix);
    return value;
  }
  Sizes sizes(image.begin(), image.end());
  if (std::count(sizes.begin(), sizes.end(), Shape::none) > 0)
    op.refuse("a value of shape (N, {} with open sizes cannot be expanded; export the model with fixed sizes",
              to_string(value.sizes()).substr(1));
  sizes[0] = times;
  const SymbolicTensor rows = op.call(Reshape(Axes({1, image.elements(), 1})), value.symbol, {}, suffix + "_rows");
  value.symbol = op.call(Reshape(Axes(sizes)), op.call(layer, rows, {}, suffix), {}, suffix + "_back");
  return value;
}

}  // namespace

Activation expanded(const Operation& op, Activation value, const Sizes& sizes) {
  const Sizes old = value.sizes();
  const auto times = [&](std::size_t axis) { return sizes[axis] == old[axis] ? 1 : sizes[axis]; };
  if (value.rank() == 3 && times(0) == 1) {  // rows and columns of a map in one step
    value = op.arranged(value, channels_last(3));
    value.symbol = op.call(UpSampling2D({times(1), times(2)}), value.symbol, {}, "expanded");
    return value;
  }
  for (std::size_t axis = 0; axis < sizes.size(); ++axis)
    if (times(axis) > 1) value = repeated(op, value, axis, times(axis));
  return value;
}

void import_expand(const Operation& op) {
  Activation value = op.input(0);
  const ConstantPtr shape = op.constant(1);
  const Sizes sizes = value.sizes();
  if (shape->is_float || shape->elements() > sizes.size() + 1)
    op.refuse("a value of shape (N, {} cannot be expanded to {} axes", to_string(sizes).substr(1), shape->elements());
  Sizes grown = sizes;
  const std::size_t missing = sizes.size() + 1 - shape->elements();
  bool grows = false;
  for (std::size_t i = 0; i < shape->elements(); ++i) {
    const std::size_t axis = i + missing;
    const std::int64_t wanted = shape->integers[i];
    if (axis == 0) {
      if (shape->mark(i) == Mark::known && wanted != 1 && wanted != op.network().batch().value_or(1))
        op.refuse("the batch cannot be expanded");
      continue;
    }
    if (shape->mark(i) == Mark::known && (wanted == 1 || wanted == sizes[axis - 1])) continue;
    if (shape->mark(i) != Mark::known && sizes[axis - 1] == Shape::none) continue;
    if (shape->mark(i) != Mark::known || sizes[axis - 1] != 1 || wanted < 1 || wanted > (1 << 20))
      op.refuse("a value of shape (N, {} cannot be expanded at axis {}", to_string(sizes).substr(1), axis);
    grown[axis - 1] = wanted;
    grows = true;
  }
  op.give(grows ? expanded(op, op.network().straight(value, op.base_name()), grown) : value);
}

// ---- blocks ------------------------------------------------------------------------------------------------------

namespace {

// The value under other sizes, its axes exchanged, and under other sizes again.
Activation rearranged(const Operation& op, const Activation& source, const Sizes& split, const std::vector<std::size_t>& axes,
                      const Sizes& joined) {
  std::optional<Activation> value = op.network().reshaped(source, split, op.base_name());
  if (value) {
    value->order = transposed(value->order, axes);
    value = op.network().reshaped(*value, joined, op.base_name());
  }
  if (!value) op.refuse("a value of shape (N, {} cannot be rearranged", to_string(source.sizes()).substr(1));
  return *value;
}

std::int64_t block_of(const Operation& op, const Sizes& sizes) {
  const std::int64_t block = op.integer("blocksize", 0);
  if (sizes.size() != 3 || std::count(sizes.begin(), sizes.end(), Shape::none) > 0)
    op.refuse("a value of shape (N, {}; maps of known size are supported", to_string(sizes).substr(1));
  if (block < 1 || block > 1024) op.refuse("attribute \"blocksize\" is {}", block);
  return block;
}

}  // namespace

void import_depth_to_space(const Operation& op) {
  const Activation source = op.input(0);
  const Sizes s = source.sizes();
  const std::int64_t b = block_of(op, s), channels = s[0] / (b * b);
  if (s[0] % (b * b) != 0) op.refuse("{} channels are no multiple of {}", s[0], b * b);
  const Sizes joined = {channels, s[1] * b, s[2] * b};
  if (op.text("mode", "DCR") == "DCR") return op.give(rearranged(op, source, {b, b, channels, s[1], s[2]}, {2, 3, 0, 4, 1}, joined));
  op.give(rearranged(op, source, {channels, b, b, s[1], s[2]}, {0, 3, 1, 4, 2}, joined));
}

void import_space_to_depth(const Operation& op) {
  const Activation source = op.input(0);
  const Sizes s = source.sizes();
  const std::int64_t b = block_of(op, s);
  if (s[1] % b != 0 || s[2] % b != 0) op.refuse("a map of {} x {} is no multiple of {}", s[1], s[2], b);
  op.give(rearranged(op, source, {s[0], s[1] / b, b, s[2] / b, b}, {2, 4, 0, 1, 3}, {s[0] * b * b, s[1] / b, s[2] / b}));
}

}  // namespace linn::detail::formats::onnx
