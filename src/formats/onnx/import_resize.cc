// Maps of another resolution. Where Keras has the same resampling it becomes UpSampling2D or Resizing; every other one is linear along each
// axis, so it becomes a frozen Dense along the width and one along the height, whose weights are the definition's.
#include <algorithm>
#include <cmath>

#include "formats/onnx/operators.h"
#include "linn/layers/dense.h"
#include "linn/layers/resize.h"

namespace linn::detail::formats::onnx {
namespace {

constexpr std::int64_t most_size = 1 << 14;

// One axis of a resampling; `size` and `out` are Shape::none where open.
struct Axis {
  std::int64_t size = 0, out = 0;
  float scale = 1;

  bool is_same() const { return scale == 1 && size == out; }
  /// The whole factor by which it grows; 0 where it is none.
  std::int64_t factor() const {
    const auto whole = static_cast<std::int64_t>(scale);
    return static_cast<float>(whole) == scale && whole >= 1 && (size == Shape::none || out == size * whole) ? whole : 0;
  }
};

struct Resampling {
  std::string_view mode, transform, nearest;
  double cubic = -0.75;
  bool excludes_outside = false;
};

float place_of(const Resampling& how, const Axis& axis, std::int64_t at) {
  const auto x = static_cast<float>(at), size = static_cast<float>(axis.size), out = static_cast<float>(axis.out);
  if (how.transform == "asymmetric") return x / axis.scale;
  if (how.transform == "align_corners") return axis.out == 1 ? 0 : x * (size - 1) / (out - 1);
  if (how.transform == "pytorch_half_pixel" && axis.out == 1) return 0;
  if (how.transform == "tf_half_pixel_for_nn") return (x + 0.5F) / axis.scale;
  const float half = (x + 0.5F) / axis.scale - 0.5F;
  if (how.transform != "half_pixel_symmetric") return half;
  const float adjustment = out / (axis.scale * size);
  return size / 2 * (1 - adjustment) + half;
}

std::int64_t nearest_cell(const Resampling& how, const Axis& axis, std::int64_t at) {
  const float place = place_of(how, axis, at);
  float cell = std::floor(place);
  if (how.nearest == "ceil") cell = std::ceil(place);
  if (how.nearest == "round_prefer_floor") cell = std::ceil(place - 0.5F);
  if (how.nearest == "round_prefer_ceil") cell = std::floor(place + 0.5F);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(cell), 0, axis.size - 1);
}

// Keys, "Cubic convolution interpolation for digital image processing", 1981.
float cubic_weight(float distance, float a) {
  const float x = std::abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

// (size, out): the weight of each cell of the input in each cell of the output.
Tensor matrix_of(const Resampling& how, const Axis& axis) {
  Tensor matrix(Shape{axis.size, axis.out});
  const auto weights = matrix.values<float>();
  const auto add = [&](std::int64_t cell, std::int64_t at, float weight) {
    weights[static_cast<std::size_t>(std::clamp<std::int64_t>(cell, 0, axis.size - 1) * axis.out + at)] += weight;
  };
  for (std::int64_t at = 0; at < axis.out; ++at) {
    if (how.mode == "nearest") {
      add(nearest_cell(how, axis, at), at, 1);
      continue;
    }
    const float place = place_of(how, axis, at);
    if (how.mode == "linear") {
      const float inside = std::clamp(place, 0.0F, static_cast<float>(axis.size - 1));
      const auto lower = static_cast<std::int64_t>(inside);
      const float weight = inside - static_cast<float>(lower);
      add(lower, at, 1 - weight);
      add(lower + 1, at, weight);
      continue;
    }
    const auto first = static_cast<std::int64_t>(std::floor(place)) - 1;
    float sum = 0, all[4];
    for (std::int64_t tap = 0; tap < 4; ++tap) {
      const bool outside = first + tap < 0 || first + tap >= axis.size;
      all[tap] = how.excludes_outside && outside ? 0 : cubic_weight(place - static_cast<float>(first + tap), static_cast<float>(how.cubic));
      sum += all[tap];
    }
    for (std::int64_t tap = 0; tap < 4; ++tap) add(first + tap, at, how.excludes_outside ? all[tap] / sum : all[tap]);
  }
  return matrix;
}

// Whether the cells are those of UpSampling2D (repeated) or of Resizing (TensorFlow's nearest).
bool repeats(const Resampling& how, const Axis& axis) {
  const std::int64_t factor = axis.factor();
  if (factor == 0) return false;
  if (axis.size == Shape::none) return how.transform == "asymmetric" && how.nearest == "floor";
  for (std::int64_t at = 0; at < axis.out; ++at)
    if (nearest_cell(how, axis, at) != at / factor) return false;
  return true;
}

bool is_linear_of_keras(const Resampling& how, const Axis& axis) {
  if (how.mode != "linear" || (how.transform != "half_pixel" && !(how.transform == "pytorch_half_pixel" && axis.out > 1))) return false;
  if (axis.size == Shape::none) return axis.factor() > 0;
  return std::abs(axis.scale * static_cast<float>(axis.size) - static_cast<float>(axis.out)) < 1e-4F;
}

void resize(const Operation& op, const Resampling& how, const Axis& rows, const Axis& columns) {
  Activation source = op.map(0);
  const std::int64_t factor_rows = rows.factor(), factor_columns = columns.factor();
  Activation result = source;
  result.is_non_negative = source.is_non_negative && how.mode != "cubic";
  if (rows.is_same() && columns.is_same()) return op.give(result);
  const bool is_nearest = how.mode == "nearest" && repeats(how, rows) && repeats(how, columns);
  const bool is_linear = is_linear_of_keras(how, rows) && is_linear_of_keras(how, columns);
  if (is_nearest || (is_linear && factor_rows > 0 && factor_columns > 0)) {
    const std::string interpolation = is_nearest ? "nearest" : "bilinear";
    result.symbol = op.call(UpSampling2D({factor_rows, factor_columns}, {.interpolation = interpolation}), source.symbol);
    return op.give(result);
  }
  if (rows.size == Shape::none || columns.size == Shape::none)
    op.refuse(
        "mode {} with coordinates {} needs the size of the map, which the file leaves open; export the model with fixed height and width",
        how.mode, how.transform);
  if (is_linear) {
    result.symbol = op.call(Resizing(rows.out, columns.out, {.interpolation = "bilinear"}), source.symbol);
    return op.give(result);
  }
  const auto along = [&](const Order& order, const Axis& axis, std::string_view suffix) {
    if (axis.is_same()) return;
    result = op.arranged(result, order);
    result.symbol = op.call(Dense(axis.out, {.use_bias = false, .trainable = false}), result.symbol, {matrix_of(how, axis)}, suffix);
  };
  along({0, 1, 2}, columns, "columns");
  along({0, 2, 1}, rows, "rows");
  op.give(result);
}

// The output's size from the scale, as ONNX rounds it.
Axis axis_of(const Operation& op, std::int64_t size, std::optional<float> scale, std::optional<std::int64_t> out) {
  Axis axis{.size = size};
  if (scale) {
    if (!(*scale > 0) || *scale > static_cast<float>(most_size)) op.refuse("a scale of {}", *scale);
    axis.scale = *scale;
    axis.out = size == Shape::none ? Shape::none : static_cast<std::int64_t>(std::floor(static_cast<float>(size) * *scale));
  } else {
    if (size == Shape::none)
      op.refuse("to {} needs the size of the map, which the file leaves open; export the model with fixed height and width", *out);
    axis.out = *out;
    axis.scale = static_cast<float>(*out) / static_cast<float>(size);
  }
  if (size != Shape::none && (axis.out < 1 || axis.out > most_size || size > most_size))
    op.refuse("from {} to {}; sizes of 1 to {} are allowed", size, axis.out, most_size);
  return axis;
}

void check_others(const Operation& op, bool are_kept) {
  if (!are_kept) op.refuse("only rows and columns of maps can be resized");
}

void import_scales(const Operation& op, const Resampling& how, std::span<const float> scales) {
  const Sizes sizes = op.input(0).sizes();
  if (sizes.size() != 3 || scales.size() != 4)
    op.refuse("{} scales of a value with {} axes; maps (N, C, H, W) are supported", scales.size(), sizes.size() + 1);
  check_others(op, scales[0] == 1 && scales[1] == 1);
  resize(op, how, axis_of(op, sizes[1], scales[2], {}), axis_of(op, sizes[2], scales[3], {}));
}

}  // namespace

void import_upsample(const Operation& op) {
  const Resampling how = {.mode = op.text("mode", "nearest"), .transform = "asymmetric", .nearest = "floor"};
  if (how.mode != "nearest" && how.mode != "linear") op.refuse("attribute \"mode\" is \"{}\"; nearest and linear are supported", how.mode);
  const Attribute* scales = op.find("scales");
  import_scales(op, how, scales != nullptr ? scales->floats : op.floats(1));
}

void import_resize(const Operation& op) {
  if (op.opset() < 11) return import_upsample(op);
  op.ignore({"extrapolation_value"});
  Resampling how = {.mode = op.text("mode", "nearest"),
                    .transform = op.text("coordinate_transformation_mode", "half_pixel"),
                    .nearest = op.text("nearest_mode", "round_prefer_floor"),
                    .cubic = op.number("cubic_coeff_a", -0.75),
                    .excludes_outside = op.integer("exclude_outside", 0) != 0};
  static constexpr std::string_view transforms[] = {"half_pixel", "pytorch_half_pixel",   "align_corners",
                                                    "asymmetric", "half_pixel_symmetric", "tf_half_pixel_for_nn"};
  if (std::find(std::begin(transforms), std::end(transforms), how.transform) == std::end(transforms))
    op.refuse("attribute \"coordinate_transformation_mode\" is \"{}\", which is not supported", how.transform);
  if (how.mode != "nearest" && how.mode != "linear" && how.mode != "cubic")
    op.refuse("attribute \"mode\" is \"{}\"; nearest, linear and cubic are supported", how.mode);
  if (op.integer("antialias", 0) != 0) op.refuse("attribute \"antialias\" is 1; 0 is supported");
  if (op.text("keep_aspect_ratio_policy", "stretch") != "stretch")
    op.refuse("attribute \"keep_aspect_ratio_policy\" is \"{}\"; stretch is supported", op.text("keep_aspect_ratio_policy", ""));

  const Sizes sizes = op.input(0).sizes();
  if (sizes.size() != 3) op.refuse("a value with {} axes; maps (N, C, H, W) are supported", sizes.size() + 1);
  std::vector<std::int64_t> axes = op.list("axes", {0, 1, 2, 3});
  std::vector<std::optional<float>> scales(4, 1.0F);
  std::vector<std::optional<std::int64_t>> outs(4);
  const bool has_sizes = op.has_input(3) && op.constant(3)->elements() > 0;
  if (has_sizes) {
    const ConstantPtr wanted = op.constant(3);
    if (wanted->is_float || wanted->elements() != axes.size()) op.refuse("{} sizes for {} axes", wanted->elements(), axes.size());
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const std::size_t axis = op.axis(axes[i], 4);
      if (axis == 0) {
        check_others(op, wanted->mark(i) == Mark::batch || wanted->integers[i] == op.network().batch().value_or(-1));
        continue;
      }
      // A size that stays as it is, also where it is open.
      if (wanted->mark(i) == Mark::known && wanted->integers[i] == sizes[axis - 1]) continue;
      if (wanted->mark(i) != Mark::known)
        op.refuse("its sizes depend on a size that the file leaves open; export the model with fixed height and width");
      scales[axis].reset();
      outs[axis] = wanted->integers[i];
    }
    check_others(op, !outs[1]);
  } else {
    const std::vector<float> wanted = op.floats(2);
    if (wanted.size() != axes.size()) op.refuse("{} scales for {} axes", wanted.size(), axes.size());
    for (std::size_t i = 0; i < axes.size(); ++i) scales[op.axis(axes[i], 4)] = wanted[i];
    check_others(op, scales[0] == 1.0F && scales[1] == 1.0F);
  }
  resize(op, how, axis_of(op, sizes[1], scales[2], outs[2]), axis_of(op, sizes[2], scales[3], outs[3]));
}

}  // namespace linn::detail::formats::onnx
