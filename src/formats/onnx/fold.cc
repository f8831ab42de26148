#include "formats/onnx/fold.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "io/text.h"

namespace linn::detail::formats::onnx {
namespace {

// To int64 as a cast of C does where it is defined.
std::int64_t whole(const Operation& op, float value) {
  if (!(std::abs(value) < 9.2e18F)) op.refuse("{} cannot be cast to an integer", value);
  return static_cast<std::int64_t>(value);
}

}  // namespace

std::size_t counted(const Operation& op, std::span<const std::int64_t> dims) {
  const auto count = static_cast<std::size_t>(element_count(dims, op.where()));
  op.network().count_folded(count, op.where());
  return count;
}

Constant picked(const Operation& op, const Constant& source, std::vector<std::int64_t> dims, std::span<const std::size_t> places) {
  op.network().count_folded(places.size(), op.where());
  Constant result;
  result.dims = std::move(dims);
  result.is_float = source.is_float;
  for (const std::size_t place : places) {
    if (source.is_float)
      result.floats.push_back(source.floats[place]);
    else
      result.integers.push_back(source.integers[place]);
    if (!source.marks.empty()) result.marks.push_back(source.marks[place]);
  }
  return result;
}

Constant fold_constant(const Operation& op) {
  if (const Attribute* value = op.find("value"); value != nullptr && !value->tensors.empty()) {
    ExternalFiles none("");
    return decode(value->tensors.front(), none, op.where());
  }
  if (const Attribute* value = op.find("value_float")) return make_floats({}, {value->f});
  if (const Attribute* value = op.find("value_int")) return make_integers({}, {value->i});
  if (const Attribute* value = op.find("value_floats"))
    return make_floats({static_cast<std::int64_t>(value->floats.size())}, value->floats);
  if (const Attribute* value = op.find("value_ints")) return make_integers({static_cast<std::int64_t>(value->ints.size())}, value->ints);
  op.refuse("a constant that is no tensor of numbers is not supported");
}

Constant fold_constant_of_shape(const Operation& op) {
  std::vector<std::int64_t> dims = op.integers(0);
  if (dims.size() > Shape::max_rank) op.refuse("the shape has {} axes; {} are allowed", dims.size(), Shape::max_rank);
  const std::size_t count = counted(op, dims);
  const Attribute* value = op.find("value");
  if (value == nullptr || value->tensors.empty()) return make_floats(std::move(dims), std::vector<float>(count, 0.0F));
  ExternalFiles none("");
  const Constant one = decode(value->tensors.front(), none, op.where());
  if (!one.is_scalar()) op.refuse("attribute \"value\" has {} elements; 1 is allowed", one.elements());
  if (one.is_float) return make_floats(std::move(dims), std::vector<float>(count, one.floats[0]));
  return make_integers(std::move(dims), std::vector<std::int64_t>(count, one.integers[0]));
}

Constant fold_identity(const Operation& op) {
  op.ignore({"ratio", "seed"});  // of a Dropout
  if (op.has_input(2) && op.constant(2)->is_scalar() && op.constant(2)->number(0) != 0)
    op.refuse("input 2, training_mode, is true; export the model for inference");
  return *op.constant(0);
}

Constant fold_cast(const Operation& op) {
  op.ignore({"saturate", "round_mode"});
  const auto type = static_cast<DataType>(op.integer("to", 0));
  const ConstantPtr source = op.constant(0);
  if (name_of(type).starts_with("type ")) op.refuse("a cast to {} is not supported", name_of(type));
  Constant result = *source;
  if (is_float(type)) {
    if (source->is_float) return result;
    for (std::size_t i = 0; i < source->elements(); ++i)
      if (source->mark(i) != Mark::known)
        op.refuse("the size that it casts to {} is left open by the file; export the model with fixed sizes", name_of(type));
    result.is_float = true;
    result.floats.assign(source->integers.begin(), source->integers.end());
    result.integers.clear();
    result.marks.clear();
    return result;
  }
  if (source->is_float) {
    result.is_float = false;
    for (const float value : source->floats) result.integers.push_back(whole(op, value));
    result.floats.clear();
  }
  if (type == DataType::boolean)
    for (std::int64_t& value : result.integers) value = value != 0 ? 1 : 0;
  return result;
}

// Shape of a value that depends on the inputs is import_shape's.
Constant fold_shape(const Operation& op) {
  const ConstantPtr source = op.constant(0);
  const auto rank = static_cast<std::int64_t>(source->dims.size());
  const auto clamp = [&](std::int64_t at) { return std::min(std::max(at < 0 ? at + rank : at, std::int64_t{0}), rank); };
  const std::int64_t start = clamp(op.integer("start", 0)), end = std::max(start, clamp(op.integer("end", rank)));
  std::vector<std::int64_t> sizes(source->dims.begin() + start, source->dims.begin() + end);
  return make_integers({end - start}, std::move(sizes));
}

Constant fold_size(const Operation& op) { return make_integers({}, {static_cast<std::int64_t>(op.constant(0)->elements())}); }

Constant fold_range(const Operation& op) {
  const ConstantPtr start = op.constant(0), limit = op.constant(1), step = op.constant(2);
  if (!start->is_scalar() || !limit->is_scalar() || !step->is_scalar()) op.refuse("start, limit and delta must be single numbers");
  for (const ConstantPtr& part : {start, limit, step})
    if (part->mark(0) != Mark::known) op.refuse("the range depends on a size that the file leaves open; export the model with fixed sizes");
  const double by = step->number(0),
               length = by == 0 ? std::numeric_limits<double>::infinity() : std::ceil((limit->number(0) - start->number(0)) / by);
  if (start->is_float != step->is_float) op.refuse("start and delta differ in type");
  if (!(length < 1e9)) op.refuse("the range from {} to {} by {} is too long", start->number(0), limit->number(0), by);
  const std::int64_t count = length > 0 ? static_cast<std::int64_t>(length) : 0;
  const std::int64_t dims[] = {count};
  counted(op, dims);
  Constant result;
  result.dims = {count};
  result.is_float = start->is_float;
  for (std::int64_t i = 0; i < count; ++i) {
    if (result.is_float)
      result.floats.push_back(static_cast<float>(start->number(0) + static_cast<double>(i) * by));
    else
      result.integers.push_back(static_cast<std::int64_t>(static_cast<std::uint64_t>(start->integers[0]) +
                                                          static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(step->integers[0])));
  }
  return result;
}

}  // namespace linn::detail::formats::onnx
