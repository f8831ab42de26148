// Arithmetic of constants.
#include <algorithm>
#include <cmath>

#include "formats/onnx/fold.h"

namespace linn::detail::formats::onnx {
namespace {

// The shape that two broadcast to, as in numpy, and for each of its elements the places of both.
struct Pairs {
  std::vector<std::int64_t> dims;
  std::vector<std::size_t> first, second;
};

Pairs pairs_of(const Operation& op, const Constant& a, const Constant& b) {
  const std::size_t rank = std::max(a.dims.size(), b.dims.size());
  const auto padded = [&](std::vector<std::int64_t> dims) {
    dims.insert(dims.begin(), rank - dims.size(), 1);
    return dims;
  };
  const std::vector<std::int64_t> left = padded(a.dims), right = padded(b.dims);
  Pairs pairs;
  for (std::size_t i = 0; i < rank; ++i) {
    if (left[i] != right[i] && left[i] != 1 && right[i] != 1)
      op.refuse("shapes {} and {} do not fit each other", a.shape_text(), b.shape_text());
    pairs.dims.push_back(left[i] == 1 ? right[i] : left[i]);
  }
  const std::size_t count = counted(op, pairs.dims);
  pairs.first.resize(count), pairs.second.resize(count);
  for (std::size_t k = 0; k < count; ++k) {
    std::size_t rest = k, step_first = 1, step_second = 1;
    for (std::size_t i = rank; i-- > 0;) {
      const std::size_t at = rest % static_cast<std::size_t>(pairs.dims[i]);
      rest /= static_cast<std::size_t>(pairs.dims[i]);
      if (left[i] != 1) pairs.first[k] += at * step_first;
      if (right[i] != 1) pairs.second[k] += at * step_second;
      step_first *= static_cast<std::size_t>(left[i]);
      step_second *= static_cast<std::size_t>(right[i]);
    }
  }
  return pairs;
}

// `keeps`: whether a size that is left open stays what it is, such as times 1; everything else makes it unknown.
template <class Floats, class Integers, class Keeps>
Constant binary(const Operation& op, Floats floats, Integers integers, Keeps keeps) {
  const ConstantPtr a = op.constant(0), b = op.constant(1);
  if (a->is_float != b->is_float) op.refuse("one input holds integers, the other floating-point numbers");
  const Pairs pairs = pairs_of(op, *a, *b);
  Constant result;
  result.dims = pairs.dims;
  result.is_float = a->is_float;
  for (std::size_t k = 0; k < pairs.first.size(); ++k) {
    const std::size_t i = pairs.first[k], j = pairs.second[k];
    if (a->is_float) {
      result.floats.push_back(floats(a->floats[i], b->floats[j]));
      continue;
    }
    result.integers.push_back(integers(a->integers[i], b->integers[j]));
    const Mark left = a->mark(i), right = b->mark(j);
    Mark mark = Mark::known;
    if (left != Mark::known || right != Mark::known) {
      const bool left_stays = right == Mark::known && keeps(b->integers[j], false),
                 right_stays = left == Mark::known && keeps(a->integers[i], true);
      const bool computable = left != Mark::open && right != Mark::open && op.network().batch().has_value();
      mark = left_stays ? left : right_stays ? right : computable ? Mark::known : Mark::open;
    }
    result.marks.push_back(mark);
  }
  return result;
}

constexpr auto never = [](std::int64_t, bool) { return false; };

// Two's complement, without undefined overflow.
std::int64_t wrap(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t bits(std::int64_t value) { return static_cast<std::uint64_t>(value); }

float negated(float value) { return -value; }
std::int64_t negated(std::int64_t value) { return wrap(0 - bits(value)); }

template <class Function>
Constant unary(const Operation& op, Function function) {
  Constant result = *op.constant(0);
  if (!result.is_float) op.refuse("of integers is not supported");
  counted(op, result.dims);
  for (float& value : result.floats) value = function(value);
  return result;
}

// Integers too; their sizes that are left open are refused.
template <class Function>
Constant unary_of_any(const Operation& op, Function function) {
  Constant result = *op.constant(0);
  if (result.is_float) return unary(op, [&](float value) { return function(value); });
  result.integers = op.integers(0);
  for (std::int64_t& value : result.integers) value = function(value);
  return result;
}

template <class Compare>
Constant compared(const Operation& op, Compare compare) {
  const ConstantPtr a = op.constant(0), b = op.constant(1);
  const Pairs pairs = pairs_of(op, *a, *b);
  std::vector<std::int64_t> values;
  std::vector<Mark> marks;
  for (std::size_t k = 0; k < pairs.first.size(); ++k) {
    const std::size_t i = pairs.first[k], j = pairs.second[k];
    values.push_back(compare(a->number(i), b->number(j)) ? 1 : 0);
    marks.push_back(a->mark(i) == Mark::known && b->mark(j) == Mark::known ? Mark::known : Mark::open);
  }
  return make_integers(pairs.dims, std::move(values), std::move(marks));
}

std::int64_t divided(const Operation& op, std::int64_t a, std::int64_t b) {
  if (b == 0 || (b == -1 && a == INT64_MIN)) op.refuse("{} divided by {}", a, b);
  return a / b;
}

}  // namespace

Constant fold_add(const Operation& op) {
  return binary(
      op, [](float a, float b) { return a + b; }, [](std::int64_t a, std::int64_t b) { return wrap(bits(a) + bits(b)); },
      [](std::int64_t other, bool) { return other == 0; });
}

Constant fold_subtract(const Operation& op) {
  return binary(
      op, [](float a, float b) { return a - b; }, [](std::int64_t a, std::int64_t b) { return wrap(bits(a) - bits(b)); },
      [](std::int64_t other, bool is_first) { return other == 0 && !is_first; });
}

Constant fold_multiply(const Operation& op) {
  return binary(
      op, [](float a, float b) { return a * b; }, [](std::int64_t a, std::int64_t b) { return wrap(bits(a) * bits(b)); },
      [](std::int64_t other, bool) { return other == 1; });
}

Constant fold_divide(const Operation& op) {
  return binary(
      op, [](float a, float b) { return a / b; }, [&](std::int64_t a, std::int64_t b) { return divided(op, a, b); },
      [](std::int64_t other, bool is_first) { return other == 1 && !is_first; });
}

Constant fold_modulo(const Operation& op) {
  const bool like_c = op.integer("fmod", 0) != 0;
  if (!like_c && op.constant(0)->is_float) op.refuse("attribute \"fmod\" is 0; floating-point numbers want 1");
  return binary(
      op, [](float a, float b) { return std::fmod(a, b); },
      [&](std::int64_t a, std::int64_t b) {
        if (b == 0 || b == -1) return b == 0 ? divided(op, a, b) : std::int64_t{0};
        const std::int64_t rest = a % b;
        return !like_c && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
      },
      never);
}

Constant fold_power(const Operation& op) {
  const ConstantPtr a = op.constant(0), b = op.constant(1);
  const Pairs pairs = pairs_of(op, *a, *b);
  if (!a->is_float) op.refuse("powers of integers are not supported");
  std::vector<float> values;
  for (std::size_t k = 0; k < pairs.first.size(); ++k)
    values.push_back(static_cast<float>(std::pow(a->number(pairs.first[k]), b->number(pairs.second[k]))));
  return make_floats(pairs.dims, std::move(values));
}

Constant fold_minimum(const Operation& op) {
  if (op.input_count() == 1) return *op.constant(0);
  if (op.input_count() != 2) op.refuse("of {} constants is not supported; 2 are", op.input_count());
  return binary(
      op, [](float a, float b) { return std::min(a, b); }, [](std::int64_t a, std::int64_t b) { return std::min(a, b); }, never);
}

Constant fold_maximum(const Operation& op) {
  if (op.input_count() == 1) return *op.constant(0);
  if (op.input_count() != 2) op.refuse("of {} constants is not supported; 2 are", op.input_count());
  return binary(
      op, [](float a, float b) { return std::max(a, b); }, [](std::int64_t a, std::int64_t b) { return std::max(a, b); }, never);
}

Constant fold_equal(const Operation& op) {
  return compared(op, [](double a, double b) { return a == b; });
}
Constant fold_less(const Operation& op) {
  return compared(op, [](double a, double b) { return a < b; });
}
Constant fold_greater(const Operation& op) {
  return compared(op, [](double a, double b) { return a > b; });
}

Constant fold_where(const Operation& op) {
  const ConstantPtr condition = op.constant(0), a = op.constant(1), b = op.constant(2);
  if (condition->is_float || a->is_float != b->is_float) op.refuse("the types of its inputs do not fit");
  const Pairs values = pairs_of(op, *a, *b);
  Constant both;
  both.dims = values.dims;
  const Pairs all = pairs_of(op, *condition, both);
  Constant result;
  result.dims = all.dims;
  result.is_float = a->is_float;
  for (std::size_t k = 0; k < all.first.size(); ++k) {
    const bool takes_first = condition->integers[all.first[k]] != 0, is_known = condition->mark(all.first[k]) == Mark::known;
    const Constant& from = takes_first ? *a : *b;
    const std::size_t at = takes_first ? values.first[all.second[k]] : values.second[all.second[k]];
    if (result.is_float) {
      if (!is_known) op.refuse("the condition depends on a size that the file leaves open; export the model with fixed sizes");
      result.floats.push_back(from.floats[at]);
    } else {
      result.integers.push_back(from.integers[at]);
      result.marks.push_back(is_known ? from.mark(at) : Mark::open);
    }
  }
  return result;
}

Constant fold_negate(const Operation& op) {
  return unary_of_any(op, [](auto value) { return negated(value); });
}
Constant fold_absolute(const Operation& op) {
  return unary_of_any(op, [](auto value) { return value < 0 ? negated(value) : value; });
}
Constant fold_floor(const Operation& op) {
  return unary(op, [](float value) { return std::floor(value); });
}
Constant fold_ceil(const Operation& op) {
  return unary(op, [](float value) { return std::ceil(value); });
}
Constant fold_square_root(const Operation& op) {
  return unary(op, [](float value) { return std::sqrt(value); });
}
Constant fold_reciprocal(const Operation& op) {
  return unary(op, [](float value) { return 1 / value; });
}
Constant fold_exponential(const Operation& op) {
  return unary(op, [](float value) { return std::exp(value); });
}
Constant fold_logarithm(const Operation& op) {
  return unary(op, [](float value) { return std::log(value); });
}

Constant fold_not(const Operation& op) {
  return make_integers(op.constant(0)->dims, [&] {
    std::vector<std::int64_t> values = op.integers(0);
    for (std::int64_t& value : values) value = value == 0 ? 1 : 0;
    return values;
  }());
}

Constant fold_product(const Operation& op) {
  const auto axes = op.axes("axes", 1);
  const bool keeps = op.integer("keepdims", 1) != 0;
  const ConstantPtr data = op.constant(0);
  if (data->dims.size() > 1 || (axes && axes->size() > 1))
    op.refuse("of a constant with {} axes is not supported; 1 is", data->dims.size());
  const std::vector<std::int64_t> dims(keeps ? data->dims.size() : 0, 1);
  if (data->is_float) {
    float product = 1;
    for (const float value : data->floats) product *= value;
    return make_floats(dims, {product});
  }
  std::uint64_t product = 1;
  for (const std::int64_t value : op.integers(0)) product *= bits(value);
  return make_integers(dims, {wrap(product)});
}

}  // namespace linn::detail::formats::onnx
