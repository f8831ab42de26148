#include "train/samples.h"

#include <fmt/format.h>

#include <cmath>
#include <type_traits>
#include <vector>

#include "core/tensor_visit.h"
#include "linn/error.h"
#include "optim/losses.h"

namespace linn::train {
namespace {

Shape image_shape(const Tensor& x) { return x.shape().without_first(); }

bool is_one_longer(const Shape& longer, const Shape& shorter) {
  return longer.rank() == shorter.rank() + 1 && longer[-1] == 1 && std::equal(shorter.begin(), shorter.end(), longer.begin());
}

template <class T>
double as_double(T value) {
  if constexpr (std::is_same_v<T, bfloat16>)
    return static_cast<double>(to_float(value));
  else
    return static_cast<double>(value);
}

void check_labels(const Tensor& y, std::int64_t classes) {
  const std::int64_t per_sample = y.elements() / y.shape()[0];
  core::visit(y, [&]<class T>(std::span<const T> labels) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double label = as_double(labels[i]);
      if (label >= 0 && label < static_cast<double>(classes) && label == std::floor(label)) continue;
      throw DataError(fmt::format("y: label {} of sample {}; the model has {} classes, so labels are whole numbers from 0 to {}", label,
                                  static_cast<std::int64_t>(i) / per_sample, classes, classes - 1));
    }
  });
}

// Labels (n), (n, 1) or (n, rows...) for an output (rows..., classes).
void check_sparse_targets(const Tensor& y, const Shape& output) {
  const std::int64_t rows = output.elements() / output[-1];
  if (y.elements() != y.shape()[0] * rows)
    throw ShapeError(fmt::format("y has shape {}; sparse_categorical_crossentropy wants one label a sample, shape ({},), for output {}; for one-hot targets use "
                                 "categorical_crossentropy",
                                 y.shape().to_string(), y.shape()[0], output.to_string()));
  if (y.dtype() == DType::bf16) throw DataError("y: labels of dtype bfloat16; use an integer dtype");
  check_labels(y, output[-1]);
}

Tensor full_targets(const Tensor& y, const Loss& loss, const Shape& output) {
  const Shape image = image_shape(y);
  if (image == output) return y;
  if (is_one_longer(output, image)) return y.reshape(output.with_first(y.shape()[0]));
  throw ShapeError(fmt::format("y has shape {}; {} wants the output's shape, {}{}", y.shape().to_string(), loss.name(), output.with_first(Shape::none).to_string(),
                               loss.kind == Loss::Kind::categorical_crossentropy ? "; for integer labels use sparse_categorical_crossentropy" : ""));
}

// The class of each sample: its label, or the place of its first largest target.
template <class T>
std::int64_t class_of(std::span<const T> row) {
  if (row.size() == 1) return static_cast<std::int64_t>(as_double(row[0]));
  std::size_t best = 0;
  for (std::size_t i = 1; i < row.size(); ++i)
    if (as_double(row[i]) > as_double(row[best])) best = i;
  return static_cast<std::int64_t>(best);
}

Tensor weights_of_classes(const Tensor& y, const std::map<std::int64_t, double>& class_weight) {
  const std::int64_t n = y.shape()[0];
  Tensor weight({n});
  const auto to = weight.values<float>();
  core::visit(y, [&]<class T>(std::span<const T> values) {
    const std::size_t width = values.size() / static_cast<std::size_t>(n);
    for (std::size_t i = 0; i < to.size(); ++i) {
      const auto found = class_weight.find(class_of(values.subspan(i * width, width)));
      to[i] = found == class_weight.end() ? 1.0F : static_cast<float>(found->second);
    }
  });
  return weight;
}

Tensor checked_weights(const Tensor& weight, std::int64_t n) {
  if (weight.elements() != n || weight.shape()[0] != n)
    throw ShapeError(fmt::format("sample_weight has shape {}; it must be one number a sample, shape ({},)", weight.shape().to_string(), n));
  return weight.astype(DType::f32).reshape({n});
}

void check_weightable(const char* what, const Shape& output) {
  if (output.elements() != output[-1])
    throw ValueError(fmt::format("{} is for outputs with one prediction a sample; this model's output is {}", what, output.to_string()));
}

}  // namespace

std::array<plan::Rows, 3> Samples::sources(std::int64_t first, const std::vector<std::int64_t>* order) const {
  const std::int64_t* index = order == nullptr ? nullptr : order->data();
  const auto rows = [&](const Tensor& tensor) { return plan::Rows{.data = tensor.defined() ? tensor.raw() : nullptr, .index = index, .first = first}; };
  return {rows(x), rows(y), rows(weight)};
}

Samples Samples::rows(std::int64_t first, std::int64_t last) const {
  return {x.rows(first, last), y.defined() ? y.rows(first, last) : Tensor(), weight.defined() ? weight.rows(first, last) : Tensor()};
}

Tensor adapt_input(const Tensor& x, const Shape& input, const char* what) {
  if (!x.defined()) throw DataError(fmt::format("{} is empty: it was never given a shape or values", what));
  if (x.shape().empty()) throw ShapeError(fmt::format("{} is a single number; the model wants {}", what, input.with_first(Shape::none).to_string()));
  const std::int64_t n = x.shape()[0];
  if (n == 0) throw DataError(fmt::format("{} holds no images: its shape is {}", what, x.shape().to_string()));
  const Shape image = image_shape(x);
  if (image == input) return x;
  if (is_one_longer(input, image) || is_one_longer(image, input)) return x.reshape(input.with_first(n));
  if (x.shape() == input) throw ShapeError(fmt::format("{} has shape {}: one image without the axis of images; reshape it to {}", what, x.shape().to_string(), input.with_first(1).to_string()));
  throw ShapeError(fmt::format("{} has shape {}; the model wants {}", what, x.shape().to_string(), input.with_first(Shape::none).to_string()));
}

Samples make_samples(const Tensor& x, const Tensor& y, const Tensor& sample_weight, const Loss& loss, const Shape& input, const Shape& output) {
  Samples samples{.x = adapt_input(x, input, "x"), .y = {}, .weight = {}};
  const std::int64_t n = samples.count();
  if (!y.defined() || y.shape().empty()) throw DataError("y is empty; training and evaluation need a target for every image of x");
  if (y.shape()[0] != n) throw DataError(fmt::format("x holds {} images, but y holds {} targets", n, y.shape()[0]));
  if (optim::takes_labels(loss)) {
    check_sparse_targets(y, output);
    samples.y = y;
  } else {
    samples.y = full_targets(y, loss, output);
  }
  if (!sample_weight.defined()) return samples;
  check_weightable("sample_weight", output);
  samples.weight = checked_weights(sample_weight, n);
  return samples;
}

void add_class_weight(Samples& samples, const std::map<std::int64_t, double>& class_weight, const Shape& output) {
  if (class_weight.empty()) return;
  check_weightable("class_weight", output);
  if (samples.weight.defined()) throw ValueError("class_weight and sample_weight are both given; give one of them");
  samples.weight = weights_of_classes(samples.y, class_weight);
}

}  // namespace linn::train
