#include "train/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "core/tensor_visit.h"
#include "linn/error.h"
#include "optim/losses.h"

namespace linn {
namespace detail::train {
namespace {

Shape image_shape(const Tensor& x) { return x.shape().without_first(); }

// Whether an image has the input's shape, where that is not left open.
bool fits(const Shape& image, const Shape& input) {
  return image.rank() == input.rank() &&
         std::equal(image.begin(), image.end(), input.begin(), [](std::int64_t size, std::int64_t wanted) { return wanted == Shape::none || size == wanted; });
}

Shape with_last(const Shape& shape, std::int64_t size) {
  std::vector<std::int64_t> sizes(shape.begin(), shape.end());
  sizes.push_back(size);
  return Shape(std::span<const std::int64_t>(sizes));
}

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

void check_labels(const Tensor& y, std::int64_t classes, const std::optional<std::int64_t>& ignored) {
  const std::int64_t per_sample = y.elements() / y.shape()[0];
  core::visit(y, [&]<class T>(std::span<const T> labels) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double label = as_double(labels[i]);
      if (label >= 0 && label < static_cast<double>(classes) && label == std::floor(label)) continue;
      if (ignored && label == static_cast<double>(*ignored)) continue;
      throw DataError(fmt::format("y: label {} of sample {}; the model has {} classes, so labels are whole numbers from 0 to {}", label,
                                  static_cast<std::int64_t>(i) / per_sample, classes, classes - 1));
    }
  });
}

// Labels that stand for themselves, as of a loss of embeddings.
void check_whole(const Tensor& y) {
  const std::int64_t per_sample = y.elements() / y.shape()[0];
  core::visit(y, [&]<class T>(std::span<const T> labels) {
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (const double label = as_double(labels[i]); label != std::floor(label) || !std::isfinite(label))
        throw DataError(fmt::format("y: label {} of sample {}; labels are whole numbers", label, static_cast<std::int64_t>(i) / per_sample));
  });
}

std::string label_shape(const Tensor& y, const Shape& output) {
  const Shape rows(std::span(output.begin(), output.rank() - 1));
  return rows.with_first(y.shape()[0]).to_string();
}

// Labels (n), (n, 1) or (n, rows...) for an output (rows..., classes).
void check_sparse_targets(const Tensor& y, const Loss& loss, const Shape& output) {
  const std::int64_t rows = output.elements() / output[-1];
  if (y.elements() != y.shape()[0] * rows)
    throw ShapeError(fmt::format("y has shape {}; {} wants one label {}, shape {}, for output {}{}", y.shape().to_string(), loss.name(),
                                 rows == 1 ? "a sample" : "for each row of the output", label_shape(y, output), output.to_string(),
                                 loss.name() == "sparse_categorical_crossentropy" ? "; for one-hot targets use categorical_crossentropy" : ""));
  if (y.dtype() == DType::bf16) throw DataError("y: labels of dtype bfloat16; use an integer dtype");
  if (loss.description().labels_are_classes())
    check_labels(y, output[-1], loss.description().ignored_label());
  else
    check_whole(y);
}

Tensor full_targets(const Tensor& y, const Loss& loss, const Shape& output) {
  const Shape image = image_shape(y);
  if (image == output) return y;
  if (is_one_longer(output, image)) return y.reshape(output.with_first(y.shape()[0]));
  throw ShapeError(fmt::format("y has shape {}; {} wants the output's shape, {}{}", y.shape().to_string(), loss.name(), output.with_first(Shape::none).to_string(),
                               loss.name() == "categorical_crossentropy" ? "; for integer labels use sparse_categorical_crossentropy" : ""));
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

bool is_weight(double value) { return value >= 0 && std::isfinite(value); }

// Outputs of one number tell two classes apart.
void check_class_weight(const std::map<std::int64_t, double>& class_weight, std::int64_t width) {
  const std::int64_t classes = std::max<std::int64_t>(width, 2);
  for (const auto& [key, value] : class_weight) {
    if (key < 0 || key >= classes)
      throw ValueError(fmt::format("class_weight names class {}; the model has {} classes, 0 to {}", key, classes, classes - 1));
    if (!is_weight(value)) throw ValueError(fmt::format("class_weight of class {} is {}; weights are finite numbers, 0 or more", key, value));
  }
}

Tensor checked_weights(const Tensor& weight, std::int64_t n) {
  if (weight.elements() != n || weight.shape()[0] != n)
    throw ShapeError(fmt::format("sample_weight has shape {}; it must be one number a sample, shape ({},)", weight.shape().to_string(), n));
  Tensor checked = weight.astype(DType::f32).reshape({n});
  const auto values = checked.values<float>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!is_weight(static_cast<double>(values[i])))
      throw ValueError(fmt::format("sample_weight of sample {} is {}; weights are finite numbers, 0 or more", i, values[i]));
  return checked;
}

void check_weightable(const char* what, const Shape& output) {
  if (output.elements() != output[-1])
    throw ValueError(fmt::format("{} is for outputs with one prediction a sample; this model's output is {}", what, output.to_string()));
}

}  // namespace

void Samples::sources(std::int64_t first, const std::vector<std::int64_t>* order, std::vector<plan::Rows>& into) const {
  const std::int64_t* index = order == nullptr ? nullptr : order->data();
  into.clear();
  for (const std::vector<Tensor>* tensors : {&x, &y, &weight})
    for (const Tensor& tensor : *tensors)
      into.push_back({.data = tensor.defined() ? tensor.raw() : nullptr, .index = index, .first = first});
}

Samples Samples::rows(std::int64_t first, std::int64_t last) const {
  const auto part = [&](const std::vector<Tensor>& all) {
    std::vector<Tensor> parts;
    for (const Tensor& tensor : all) parts.push_back(tensor.defined() ? tensor.rows(first, last) : Tensor());
    return parts;
  };
  return {part(x), part(y), part(weight)};
}

Tensor adapt_input(const Tensor& x, const Shape& input, const std::string& what) {
  if (!x.defined()) throw DataError(fmt::format("{} is empty: it was never given a shape or values", what));
  if (x.shape().empty()) throw ShapeError(fmt::format("{} is a single number; the model wants {}", what, input.with_first(Shape::none).to_string()));
  const std::int64_t n = x.shape()[0];
  if (n == 0) throw DataError(fmt::format("{} holds no images: its shape is {}", what, x.shape().to_string()));
  const Shape image = image_shape(x);
  if (fits(image, input)) return x;
  if (image.rank() + 1 == input.rank() && input[-1] == 1 && fits(with_last(image, 1), input)) return x.reshape(with_last(x.shape(), 1));
  if (is_one_longer(input, image) || is_one_longer(image, input)) return x.reshape(input.with_first(n));
  if (x.shape() == input) throw ShapeError(fmt::format("{} has shape {}: one image without the axis of images; reshape it to {}", what, x.shape().to_string(), input.with_first(1).to_string()));
  throw ShapeError(fmt::format("{} has shape {}; the model wants {}", what, x.shape().to_string(), input.with_first(Shape::none).to_string()));
}

std::vector<Tensor> adapt_inputs(const Tensors& x, const graph::Graph& graph) {
  const std::vector<std::string> names = graph.input_names();
  std::vector<Tensor> given = x.in_order(names, "x");
  const auto name_of = [&](std::size_t i) { return names.size() == 1 ? std::string("x") : fmt::format("x, input \"{}\"", names[i]); };
  for (std::size_t i = 0; i < given.size(); ++i) {
    given[i] = adapt_input(given[i], graph.shape_of(graph.inputs()[i]), name_of(i));
    if (given[i].shape()[0] != given[0].shape()[0])
      throw DataError(fmt::format("{} holds {} images, but {} holds {}", name_of(0), given[0].shape()[0], name_of(i), given[i].shape()[0]));
  }
  return given;
}

namespace {

// The targets of one output.
Tensor checked_targets(const Tensor& y, const std::string& name, std::int64_t n, const Loss& loss, const Shape& output) {
  if (!y.defined() || y.shape().empty()) throw DataError(fmt::format("{} is empty; training and evaluation need a target for every image of x", name));
  if (y.shape()[0] != n) throw DataError(fmt::format("x holds {} images, but {} holds {} targets", n, name, y.shape()[0]));
  if (!loss.description().takes_labels()) return full_targets(y, loss, output);
  check_sparse_targets(y, loss, output);
  return y;
}

// A lone tensor counts for all outputs.
std::vector<Tensor> weights_for(const Tensors& given, const graph::Graph& graph, std::int64_t n) {
  const std::vector<std::string> names = graph.output_names();
  std::vector<Tensor> weights(names.size());
  if (!given.defined()) return weights;
  const bool one_for_all = names.size() > 1 && given.size() == 1 && !given.is_named();
  weights = one_for_all ? std::vector<Tensor>(names.size(), given.in_order({"sample_weight"}, "sample_weight")[0]) : given.in_order(names, "sample_weight");
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!weights[i].defined()) continue;
    check_weightable("sample_weight", graph.shape_of(graph.outputs()[i]));
    weights[i] = checked_weights(weights[i], n);
  }
  return weights;
}

}  // namespace

Samples make_samples(const Tensors& x, const Tensors& y, const Tensors& sample_weight, const std::vector<Loss>& losses, const graph::Graph& graph) {
  Samples samples{.x = adapt_inputs(x, graph), .y = {}, .weight = {}};
  const std::int64_t n = samples.count();
  const std::vector<std::string> names = graph.output_names();
  std::vector<Shape> inputs;
  for (const Tensor& input : samples.x) inputs.push_back(input.shape().without_first());
  const std::vector<Shape> outputs = graph.output_shapes_for(inputs);
  if (!y.defined()) throw DataError("y is empty; training and evaluation need a target for every image of x");
  samples.y = y.in_order(names, "y");
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string name = names.size() == 1 ? std::string("y") : fmt::format("y, output \"{}\"", names[i]);
    if (!losses[i].defined())
      samples.y[i] = Tensor();
    else
      samples.y[i] = checked_targets(samples.y[i], name, n, losses[i], outputs[i]);
  }
  samples.weight = weights_for(sample_weight, graph, n);
  return samples;
}

void add_class_weight(Samples& samples, const std::map<std::int64_t, double>& class_weight, const graph::Graph& graph) {
  if (class_weight.empty()) return;
  if (samples.y.size() != 1)
    throw ValueError(fmt::format("class_weight is for models of one output; \"{}\" has {}: use sample_weight", graph.name(), samples.y.size()));
  check_weightable("class_weight", graph.output_shape());
  check_class_weight(class_weight, graph.output_shape()[-1]);
  if (samples.weight[0].defined()) throw ValueError("class_weight and sample_weight are both given; give one of them");
  samples.weight[0] = weights_of_classes(samples.y[0], class_weight);
}

}  // namespace detail::train

}  // namespace linn
