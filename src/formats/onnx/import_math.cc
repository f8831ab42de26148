// Arithmetic: of two values by a merging layer, of a value and a constant by a Rescaling (one number) or by a frozen BatchNormalization
// (one number a channel), which is folded into the convolution before it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "formats/onnx/affine.h"
#include "formats/onnx/operators.h"
#include "formats/onnx/patterns.h"
#include "formats/onnx/weights.h"
#include "linn/layers/activation.h"
#include "linn/layers/arrange.h"
#include "linn/layers/merge.h"
#include "linn/layers/norm.h"
#include "linn/layers/reshape.h"

namespace linn::detail::formats::onnx {
namespace {

// ---- two values --------------------------------------------------------------------------------------------------

// All values with their axes as the first has them.
std::vector<Activation> aligned(const Operation& op, std::vector<Activation> values) {
  const bool same_rows = std::all_of(values.begin(), values.end(), [&](const Activation& value) { return value.row == values[0].row; });
  if (!same_rows)
    for (Activation& value : values) value = op.network().straight(value, op.base_name());
  // The largest decides: a map and one number a channel meet in the map's order.
  const auto largest =
      std::max_element(values.begin(), values.end(), [](const Activation& a, const Activation& b) { return a.rank() < b.rank(); });
  const Order order = largest->order;
  for (Activation& value : values) {
    if (value.rank() != order.size())
      op.refuse("values of shapes (N, {} and (N, {}; a batch axis that meets another axis is not supported",
                to_string(values[0].sizes()).substr(1), to_string(value.sizes()).substr(1));
    if (value.order != order) value = op.arranged(value, order);
  }
  return values;
}

Activation merged(const Operation& op, const Layer& layer, const std::vector<Activation>& list, std::string_view suffix = {}) {
  const std::vector<Activation> values = aligned(op, list);
  std::vector<SymbolicTensor> symbols;
  for (const Activation& value : values) symbols.push_back(value.symbol);
  Activation result = values[0];
  result.symbol = op.call(layer, symbols, {}, suffix);
  result.is_non_negative = false;
  return result;
}

bool all_non_negative(const std::vector<Activation>& values) {
  return std::all_of(values.begin(), values.end(), [](const Activation& value) { return value.is_non_negative; });
}

// ---- a value and a constant --------------------------------------------------------------------------------------

// The value in the shape that it and the constant broadcast to. What does not broadcast is found later.
Activation broadcast(const Operation& op, const Activation& value, const Sizes& constant) {
  Sizes sizes = value.sizes();
  for (std::size_t i = 0; i < std::min(constant.size(), sizes.size()); ++i) {
    const std::int64_t size = constant[constant.size() - 1 - i];
    std::int64_t& own = sizes[sizes.size() - 1 - i];
    if (own == 1 && size > 1) own = size;
  }
  return sizes == value.sizes() ? value : expanded(op, op.network().straight(value, op.base_name()), sizes);
}

// The axes of the value, counted from 0, along which the constant changes.
std::vector<std::size_t> axes_of_constant(const Operation& op, const Activation& value, const Constant& constant) {
  Sizes dims = constant.dims;
  const Sizes sizes = value.sizes();
  const bool is_too_long = dims.size() > sizes.size() + 1;
  if (!is_too_long) dims.insert(dims.begin(), sizes.size() + 1 - dims.size(), 1);
  std::vector<std::size_t> axes;
  bool fits = !is_too_long && dims[0] == 1;
  for (std::size_t i = 1; fits && i < dims.size(); ++i) {
    fits = dims[i] == 1 || dims[i] == sizes[i - 1];
    if (dims[i] != 1) axes.push_back(i - 1);
  }
  if (!fits)
    op.refuse(
        "the constant has shape {}, the value (N, {}; a constant that broadcasts to the value's shape, the same for all images, is "
        "supported",
        constant.shape_text(), to_string(sizes).substr(1));
  return axes;
}

// The value with these axes as linn's last, and both parts in the order that they stand in.
Activation with_axes_last(const Operation& op, const Activation& value, const std::vector<std::size_t>& axes) {
  std::vector<std::size_t> all(value.rank());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const auto is_last = [&](std::size_t axis) { return std::find(axes.begin(), axes.end(), axis) != axes.end(); };
  std::sort(all.begin(), all.end(),
            [&](std::size_t a, std::size_t b) { return std::pair(is_last(a), value.order[a]) < std::pair(is_last(b), value.order[b]); });
  Order order(value.rank());
  for (std::size_t i = 0; i < all.size(); ++i) order[all[i]] = i;
  return order == value.order ? value : op.arranged(value, order);
}

// value * scale + offset, with one of both for each element of the constant: a frozen normalization, whose channels are all places along
// the axes where the constant changes.
Activation per_place(const Operation& op, Activation value, const Constant& constant, const std::vector<float>& scale,
                     const std::vector<float>& offset, std::string_view suffix) {
  std::vector<std::size_t> axes = axes_of_constant(op, value, constant);
  value = with_axes_last(op, value, axes);
  // The constant's numbers, in the order of its own axes, go into the order of linn's.
  Sizes dims;
  for (const std::size_t axis : axes) dims.push_back(value.sizes()[axis]);
  std::vector<std::size_t> from(axes.size());
  std::iota(from.begin(), from.end(), std::size_t{0});
  std::sort(from.begin(), from.end(), [&](std::size_t a, std::size_t b) { return value.order[axes[a]] < value.order[axes[b]]; });
  const auto channels = static_cast<std::int64_t>(scale.size());
  const bool is_one_axis = axes.size() == 1;
  const auto placed = [&](const std::vector<float>& numbers) {
    return is_one_axis ? vector_tensor(in_row_order(numbers, value.row)) : transposed_tensor(numbers, dims, from).reshape({channels});
  };
  std::vector<Tensor> weights = {placed(scale), placed(offset), Tensor(Shape{channels}),
                                 vector_tensor(std::vector<float>(scale.size(), 1.0F))};
  const BatchNormalization layer({.epsilon = 0, .trainable = false});
  value.is_non_negative = false;
  if (is_one_axis) {
    value.symbol = op.call(layer, value.symbol, std::move(weights), suffix);
    return value;
  }
  const Shape image = value.symbol.shape();
  Sizes rows(image.begin(), image.end() - static_cast<std::ptrdiff_t>(axes.size()));
  rows.push_back(channels);
  const Layer flat = rows.size() == 1 ? Layer(Flatten()) : Layer(Reshape(Axes(rows)));
  const SymbolicTensor normalized =
      op.call(layer, op.call(flat, value.symbol, {}, fmt::format("{}rows", suffix)), std::move(weights), fmt::format("{}affine", suffix));
  value.symbol = op.call(Reshape(Axes(Sizes(image.begin(), image.end()))), normalized, {}, suffix);
  return value;
}

// Whether a constant of these sizes broadcasts to a value without making it larger.
bool fits(const Sizes& constant, const Sizes& value) {
  for (std::size_t i = 0; i < constant.size(); ++i) {
    const std::int64_t size = constant[constant.size() - 1 - i];
    if (size != 1 && (i >= value.size() || value[value.size() - 1 - i] != size)) return false;
  }
  return true;
}

// value * scale(c) + offset(c) for the elements c of a constant.
template <class Scale, class Offset>
Activation affine(const Operation& op, const Activation& source, const Constant& constant, Scale scale, Offset offset,
                  std::string_view suffix = {}) {
  if (!constant.is_float) op.refuse("the constant holds integers; floating-point numbers are allowed");
  if (constant.elements() == 0) op.refuse("the constant has no elements");
  const std::vector<float>& numbers = constant.floats;
  const Activation value = broadcast(op, source, constant.dims);
  const bool is_uniform = std::all_of(numbers.begin(), numbers.end(), [&](float number) { return number == numbers[0]; });
  const bool may_broadcast = constant.dims.size() <= value.rank() + 1;
  if (is_uniform && may_broadcast && (constant.is_scalar() || fits(constant.dims, value.sizes())))
    return scaled(op, value, scale(static_cast<double>(numbers[0])), offset(static_cast<double>(numbers[0])), suffix);
  std::vector<float> scales, offsets;
  for (const float number : numbers) {
    scales.push_back(static_cast<float>(scale(static_cast<double>(number))));
    offsets.push_back(static_cast<float>(offset(static_cast<double>(number))));
    if (!std::isfinite(scales.back()) || !std::isfinite(offsets.back()))
      op.refuse("times {} plus {}, by a constant of {}; finite numbers are allowed", scales.back(), offsets.back(), number);
  }
  return per_place(op, value, constant, scales, offsets, suffix);
}

constexpr auto one = [](double) { return 1.0; };
constexpr auto minus_one = [](double) { return -1.0; };
constexpr auto zero = [](double) { return 0.0; };
constexpr auto itself = [](double number) { return number; };
constexpr auto minus_itself = [](double number) { return -number; };

// The value and the constant of a commutative operator, where one of both is constant.
struct Operands {
  Activation value;
  ConstantPtr constant;
  bool constant_first;
};

std::optional<Operands> value_and_constant(const Operation& op) {
  if (op.input_count() != 2) op.refuse("{} inputs; 2 are allowed", op.input_count());
  if (op.is_constant(0)) return Operands{op.input(1), op.constant(0), true};
  if (op.is_constant(1)) return Operands{op.input(0), op.constant(1), false};
  return std::nullopt;
}

std::vector<Activation> both(const Operation& op) { return {op.input(0), op.input(1)}; }

}  // namespace

Activation scaled(const Operation& op, const Activation& value, double scale, double offset, std::string_view suffix) {
  if (!std::isfinite(scale) || !std::isfinite(offset)) op.refuse("times {} plus {}; finite numbers are allowed", scale, offset);
  if (scale == 1 && offset == 0) return value;
  Activation result = op.elementwise(Rescaling(scale, {.offset = offset}), value, suffix);
  result.is_non_negative = value.is_non_negative && scale >= 0 && offset >= 0;
  return result;
}

void import_add(const Operation& op) {
  op.ignore({"axis", "broadcast"});
  if (const auto operands = value_and_constant(op)) return op.give(affine(op, operands->value, *operands->constant, one, itself));
  Activation result = merged(op, Add(), both(op));
  result.is_non_negative = all_non_negative(both(op));
  op.give(std::move(result));
}

void import_subtract(const Operation& op) {
  const auto operands = value_and_constant(op);
  if (!operands) return op.give(merged(op, Subtract(), both(op)));
  if (operands->constant_first) return op.give(affine(op, operands->value, *operands->constant, minus_one, itself));
  op.give(affine(op, operands->value, *operands->constant, one, minus_itself));
}

void import_multiply(const Operation& op) {
  if (const auto gelu = matched_gelu(op)) return op.give(*gelu);
  if (const auto operands = value_and_constant(op)) return op.give(affine(op, operands->value, *operands->constant, itself, zero));
  Activation result = merged(op, Multiply(), both(op));
  result.is_non_negative = all_non_negative(both(op));
  op.give(std::move(result));
}

void import_divide(const Operation& op) {
  if (const auto gelu = matched_gelu(op)) return op.give(*gelu);
  const auto operands = value_and_constant(op);
  if (operands && !operands->constant_first)
    return op.give(affine(
        op, operands->value, *operands->constant, [](double number) { return 1 / number; }, zero));
  const Activation reciprocal = raised(op, op.input(1), -1, "reciprocal");
  if (operands) return op.give(affine(op, reciprocal, *operands->constant, itself, zero));
  Activation result = merged(op, Multiply(), {op.input(0), reciprocal});
  result.is_non_negative = all_non_negative(both(op));
  op.give(std::move(result));
}

namespace {

// The sum or the mean of all inputs; constants come behind the others.
void import_joined(const Operation& op, const Layer& layer, bool is_mean) {
  std::vector<Activation> values;
  std::vector<ConstantPtr> constants;
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    if (op.is_constant(i))
      constants.push_back(op.constant(i));
    else
      values.push_back(op.input(i));
  }
  if (values.empty()) op.refuse("all inputs are constants, which is not supported");
  Activation result = values.size() == 1 ? values[0] : merged(op, layer, values, constants.empty() ? "" : "values");
  const auto count = static_cast<double>(op.input_count());
  if (is_mean) result = scaled(op, result, static_cast<double>(values.size()) / count, 0, "share");
  const auto share = [&](double number) { return is_mean ? number / count : number; };
  for (const ConstantPtr& constant : constants) result = affine(op, result, *constant, one, share);
  op.give(std::move(result));
}

}  // namespace

void import_sum(const Operation& op) { import_joined(op, Add(), false); }
void import_mean(const Operation& op) { import_joined(op, Average(), true); }

namespace {

// Constants among the inputs are limits: max(x, c) = relu(x - c) + c, and min(x, c) = c - relu(c - x).
Activation limited(const Operation& op, const Activation& value, const Constant& limits, bool is_max) {
  const Activation above =
      is_max ? affine(op, value, limits, one, minus_itself, "from") : affine(op, value, limits, minus_one, itself, "from");
  const Activation inside = op.elementwise(linn::Activation("relu"), above, "limit");
  return is_max ? affine(op, inside, limits, one, itself) : affine(op, inside, limits, minus_one, itself);
}

void import_extreme(const Operation& op, const Layer& layer, bool is_max) {
  std::vector<Activation> values;
  std::vector<ConstantPtr> limits;
  double limit = is_max ? -infinity : infinity;
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    if (!op.is_constant(i)) {
      values.push_back(op.input(i));
      continue;
    }
    const ConstantPtr constant = op.constant(i);
    if (!constant->is_float) op.refuse("input {} is a constant of integers; floating-point numbers are allowed", i);
    if (!constant->is_scalar()) {
      limits.push_back(constant);
      continue;
    }
    limit = is_max ? std::max(limit, constant->number(0)) : std::min(limit, constant->number(0));
  }
  const bool has_limits = std::isfinite(limit) || !limits.empty();
  Activation merge = values.size() == 1 ? values[0] : merged(op, layer, values, has_limits ? "merge" : "");
  for (const ConstantPtr& each : limits) merge = limited(op, merge, *each, is_max);
  op.give(clipped(op, merge, is_max ? limit : -infinity, is_max ? infinity : limit));
}

}  // namespace

void import_maximum(const Operation& op) { import_extreme(op, Maximum(), true); }
void import_minimum(const Operation& op) { import_extreme(op, Minimum(), false); }

Activation raised(const Operation& op, const Activation& value, double exponent, std::string_view suffix) {
  if (exponent == 1) return value;
  const bool is_product = exponent == 2 || exponent == 3;
  Activation result = is_product ? merged(op, Multiply(), std::vector<Activation>(static_cast<std::size_t>(exponent), value), suffix)
                                 : op.elementwise(linn::Activation(activations::power({.exponent = exponent})), value, suffix);
  result.is_non_negative = value.is_non_negative || std::fmod(exponent, 2) == 0;
  return result;
}

// A constant exponent, or a constant base: c^x = exp(x * log(c)).
void import_power(const Operation& op) {
  if (op.is_constant(0)) {
    const Activation angle = affine(
        op, op.input(1), *op.constant(0),
        [&](double base) {
          if (!(base > 0)) op.refuse("the base is {}; a constant base must be above 0", base);
          return std::log(base);
        },
        zero, "exponent");
    Activation result = op.elementwise(linn::Activation("exponential"), angle);
    result.is_non_negative = true;
    return op.give(std::move(result));
  }
  if (!op.is_constant(1)) op.refuse("the power of two values is not supported; one of them must be a constant");
  const ConstantPtr exponent = op.constant(1);
  if (!exponent->is_scalar()) op.refuse("the exponent has shape {}; one number is supported", exponent->shape_text());
  op.give(raised(op, op.input(0), exponent->number(0)));
}

void import_square_root(const Operation& op) {
  Activation result = raised(op, op.input(0), 0.5);
  result.is_non_negative = true;  // or NaN
  op.give(std::move(result));
}
void import_reciprocal(const Operation& op) { op.give(raised(op, op.input(0), -1)); }
void import_logarithm(const Operation& op) { op.give(op.elementwise(linn::Activation("log"), op.input(0))); }

Activation magnitude(const Operation& op, const Activation& value, std::string_view suffix) {
  if (value.is_non_negative) return value;
  Activation result = merged(op, Maximum(), {value, scaled(op, value, -1, 0, "negative")}, suffix);
  result.is_non_negative = true;
  return result;
}

void import_absolute(const Operation& op) { op.give(magnitude(op, op.input(0))); }

// PyTorch's LPPool writes sign(x) * relu(|x|), which is x.
void import_sign(const Operation& op) {
  if (!take_product_with_magnitude(op)) op.refuse("is supported as a part of sign(x) * |x| only");
  op.give(op.input(0));
}

void import_negate(const Operation& op) { op.give(scaled(op, op.input(0), -1, 0)); }

}  // namespace linn::detail::formats::onnx
