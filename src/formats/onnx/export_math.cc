// Products with weights, and normalizations.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/onnx/exporters.h"
#include "formats/onnx/weights.h"

namespace linn::detail::formats::onnx {
namespace {

using List = std::vector<std::int64_t>;

// linn's axes of an image, counted from 0.
std::vector<std::size_t> axes_of(const ExportedCall& call) {
  const auto rank = static_cast<std::int64_t>(call.image().rank()) + 1;
  const io::Json& json = call.config.at("axis");
  std::vector<std::size_t> axes;
  const auto add = [&](const io::Json& part) {
    const auto axis = part.get<std::int64_t>();
    axes.push_back(static_cast<std::size_t>(axis < 0 ? axis + rank : axis) - 1);
  };
  if (json.is_array())
    std::for_each(json.begin(), json.end(), add);
  else if (!json.is_null())
    add(json);
  std::sort(axes.begin(), axes.end());
  return axes;
}

Tensor filled(std::int64_t count, float value) { return vector_tensor(std::vector<float>(static_cast<std::size_t>(count), value)); }

// value * scale + shift, one of both for each channel of a value whose channels are last, or of a map.
void give_affine(ExportedCall& call, const std::string& value, bool is_map, const Tensor& scale, const Tensor& shift) {
  const std::int64_t channels = scale.elements();
  const Shape shape = is_map ? Shape{channels, 1, 1} : Shape{channels};
  const std::string product = call.node("Mul", {value, call.floats(scale.reshape(shape), "scale")}, {}, "scaled");
  const std::string result = call.node("Add", {product, call.floats(shift.reshape(shape), "shift")});
  if (is_map)
    call.give_first(result);
  else
    call.give_natural(result);
}

}  // namespace

void export_dense(ExportedCall& call) {
  const io::Json& activation = call.config.at("activation");
  const bool is_plain = activation == "linear", has_bias = call.weights.size() > 1;
  const std::string_view part = is_plain ? "" : "linear";
  const Tensor& kernel = call.weights[0];
  const std::int64_t units = kernel.shape()[1];
  if (call.is_map()) {  // a 1x1 convolution
    const std::size_t axes[] = {1, 0};
    std::vector<std::string> reads = {
        call.channels_first(),
        call.floats(transposed_tensor(kernel.values<float>(), {kernel.shape().begin(), 2}, axes).reshape({units, kernel.shape()[0], 1, 1}),
                    "kernel")};
    if (has_bias) reads.push_back(call.floats(call.weights[1], "bias"));
    const std::string result = call.node("Conv", reads, {}, part);
    return call.give_first(is_plain ? result : activated(call, activation, result, true));
  }
  std::string result;
  if (call.image().rank() == 1) {
    const ExportedValue& from = call.input();
    Tensor rows = kernel;
    std::string row;
    if (from.natural.empty() && !from.scattered.empty()) {
      // The row lies as (C, H, W): row k of the weights belongs to the number that lies there.
      const Shape& map = from.scattered_map;
      const std::size_t axes[] = {2, 0, 1, 3};
      const std::int64_t sizes[] = {map[0], map[1], map[2], units};
      rows = transposed_tensor(kernel.values<float>(), sizes, axes).reshape(kernel.shape());
      row = from.scattered;
    } else {
      row = call.natural();
    }
    std::vector<std::string> reads = {row, call.floats(rows, "kernel")};
    if (has_bias) reads.push_back(call.floats(call.weights[1], "bias"));
    result = call.node("Gemm", reads, {}, part);
  } else {
    const std::string product = call.node("MatMul", {call.natural(), call.floats(kernel, "kernel")}, {}, has_bias ? "product" : part);
    result = has_bias ? call.node("Add", {product, call.floats(call.weights[1], "bias")}, {}, part) : product;
  }
  call.give_natural(is_plain ? result : activated(call, activation, result, false));
}

void export_batch_normalization(ExportedCall& call) {
  if (axes_of(call).front() + 1 != call.image().rank()) throw NoOnnxForm("another axis than the last");
  const std::size_t rank = call.image().rank();
  const std::int64_t channels = call.image()[-1];
  std::size_t next = 0;
  const Tensor gamma = call.flag("scale") ? call.weights[next++] : filled(channels, 1),
               beta = call.flag("center") ? call.weights[next++] : filled(channels, 0);
  const Tensor mean = call.weights[next], variance = call.weights[next + 1];
  const double epsilon = call.number("epsilon");
  if (rank == 3 || rank == 1) {
    const std::string value = rank == 3 ? call.channels_first() : call.natural();
    const std::string result = call.node("BatchNormalization",
                                         {value, call.floats(gamma, "gamma"), call.floats(beta, "beta"), call.floats(mean, "moving_mean"),
                                          call.floats(variance, "moving_variance")},
                                         {{"epsilon", epsilon}, {"momentum", call.number("momentum")}});
    if (rank == 3) return call.give_first(result);
    return call.give_natural(result);
  }
  Tensor scale(Shape{channels}), shift(Shape{channels});
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
    const double factor = gamma.values<float>()[c] / std::sqrt(variance.values<float>()[c] + epsilon);
    scale.values<float>()[c] = static_cast<float>(factor);
    shift.values<float>()[c] = static_cast<float>(beta.values<float>()[c] - mean.values<float>()[c] * factor);
  }
  give_affine(call, call.natural(), false, scale, shift);
}

void export_layer_normalization(ExportedCall& call) {
  const std::vector<std::size_t> axes = axes_of(call);
  const std::size_t rank = call.image().rank();
  const bool is_plain = axes.front() + axes.size() == rank;
  Shape shape;
  {
    std::vector<std::int64_t> sizes;
    for (const std::size_t axis : axes) sizes.push_back(call.image().begin()[axis]);
    shape = Shape(std::span<const std::int64_t>(sizes));
  }
  std::size_t next = 0;
  const Tensor gamma = call.flag("scale") ? call.weights[next++] : filled(shape.elements(), 1).reshape(shape);
  // The axes come last for it, and go back.
  List there = {0}, back(rank + 1, 0);
  for (std::size_t i = 0; i < rank; ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) there.push_back(static_cast<std::int64_t>(i) + 1);
  for (const std::size_t axis : axes) there.push_back(static_cast<std::int64_t>(axis) + 1);
  for (std::size_t i = 0; i < there.size(); ++i) back[static_cast<std::size_t>(there[i])] = static_cast<std::int64_t>(i);
  std::vector<std::string> reads = {is_plain ? call.natural() : call.node("Transpose", {call.natural()}, {{"perm", there}}, "axes_last"),
                                    call.floats(gamma, "gamma")};
  if (call.flag("center")) reads.push_back(call.floats(call.weights[next], "beta"));
  const Attributes attributes = {{"axis", -static_cast<std::int64_t>(axes.size())}, {"epsilon", call.number("epsilon")}};
  const std::string result = call.node("LayerNormalization", reads, attributes, is_plain ? "" : "normalized");
  call.give_natural(is_plain ? result : call.node("Transpose", {result}, {{"perm", back}}));
}

// Groups as the channels of an InstanceNormalization, which operator set 17 has.
void export_group_normalization(ExportedCall& call) {
  const std::vector<std::size_t> axes = axes_of(call);
  const std::size_t rank = call.image().rank();
  if (axes.front() + 1 != rank || rank < 2) throw NoOnnxForm("another axis than the last of a map");
  const std::int64_t channels = call.image()[-1], listed = call.integer("groups"), groups = listed == -1 ? channels : listed;
  std::size_t next = 0;
  const Tensor gamma = call.flag("scale") ? call.weights[next++] : filled(channels, 1),
               beta = call.flag("center") ? call.weights[next] : filled(channels, 0);
  std::string map;
  if (rank == 3) {
    map = call.channels_first();
  } else {
    List first = {0, static_cast<std::int64_t>(rank)};
    for (std::size_t i = 1; i < rank; ++i) first.push_back(static_cast<std::int64_t>(i));
    map = call.node("Transpose", {call.natural()}, {{"perm", first}}, "channels_first");
  }
  const Attributes attributes = {{"epsilon", call.number("epsilon")}};
  const std::string rows = call.node("Reshape", {map, call.integers({0, groups, -1}, "groups")}, {}, "grouped");
  const std::string normal =
      call.node("InstanceNormalization", {rows, call.floats(filled(groups, 1), "ones"), call.floats(filled(groups, 0), "zeros")},
                attributes, "normalized");
  const std::string whole = call.node("Reshape", {normal, call.node("Shape", {map}, {}, "shape")}, {}, "ungrouped");
  if (rank == 3) return give_affine(call, whole, true, gamma, beta);
  List back = {0};
  for (std::size_t i = 2; i <= rank; ++i) back.push_back(static_cast<std::int64_t>(i));
  back.push_back(1);
  give_affine(call, call.node("Transpose", {whole}, {{"perm", back}}, "channels_last"), false, gamma, beta);
}

// (x - mean) / max(sqrt(variance), 1e-7), or back.
void export_normalization(ExportedCall& call) {
  const std::vector<std::size_t> axes = axes_of(call);
  std::vector<float> mean, variance;
  const auto listed = [&](const char* key) {
    std::vector<float> values;
    const io::Json& json = call.config.at(key);
    if (json.is_number())
      values.push_back(json.get<float>());
    else
      for (const io::Json& value : json) values.push_back(value.get<float>());
    return values;
  };
  if (call.weights.empty()) {
    mean = listed("mean"), variance = listed("variance");
  } else {
    for (const float value : call.weights[0].values<float>()) mean.push_back(value);
    for (const float value : call.weights[1].values<float>()) variance.push_back(value);
  }
  std::vector<std::int64_t> sizes(call.image().rank(), 1);
  if (mean.size() > 1)
    for (const std::size_t axis : axes) sizes[axis] = call.image().begin()[axis];
  const Shape shape{std::span<const std::int64_t>(sizes)};
  std::vector<float> scale, shift;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double deviation = std::max(std::sqrt(static_cast<double>(variance[i])), 1e-7);
    const bool inverts = call.flag("invert");
    scale.push_back(static_cast<float>(inverts ? deviation : 1 / deviation));
    shift.push_back(static_cast<float>(inverts ? mean[i] : -mean[i] / deviation));
  }
  const std::string product = call.node("Mul", {call.natural(), call.floats(Tensor::from(scale, shape), "scale")}, {}, "scaled");
  call.give_natural(call.node("Add", {product, call.floats(Tensor::from(shift, shape), "shift")}));
}

void export_rescaling(ExportedCall& call) {
  const std::string scale = call.number_value(call.number("scale"), "scale"), offset = call.number_value(call.number("offset"), "offset");
  call.give_elementwise([&](const std::string& value) {
    return call.node("Add", {call.node("Mul", {value, scale}, {}, "scaled"), offset});
  });
}

}  // namespace linn::detail::formats::onnx
