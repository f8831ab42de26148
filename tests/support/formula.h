// Numbers that tests and the golden scripts compute alike, so that no file has to hold them, and sketches of tensors that are too large for
// one. tests/golden/formula.py is the same in Python: every step is exact or rounded once, so both give the same bits.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "linn/model.h"
#include "linn/tensor.h"
#include "support/golden.h"

namespace linn::tests {

/// The finalizer of MurmurHash3: number `index` of stream `stream`, 32 bits.
inline std::uint32_t hashed(std::uint32_t stream, std::uint32_t index) {
  std::uint32_t h = index ^ (stream * 0x9E3779B9U);
  h = (h ^ (h >> 16)) * 0x85EBCA6BU;
  h = (h ^ (h >> 13)) * 0xC2B2AE35U;
  return h ^ (h >> 16);
}

/// Uniform in [low, high), as float32.
inline Tensor formula_values(const Shape& shape, std::uint32_t stream, double low, double high) {
  Tensor tensor(shape);
  std::uint32_t i = 0;
  for (float& value : tensor.values<float>()) value = static_cast<float>(low + (high - low) * (hashed(stream, i++) / 4294967296.0));
  return tensor;
}

inline Tensor formula_labels(std::int64_t images, std::uint32_t stream, std::int64_t classes) {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < images; ++i)
    labels.push_back(hashed(stream, static_cast<std::uint32_t>(i)) % static_cast<std::uint32_t>(classes));
  return Tensor::from(labels, {images});
}

/// The value of a variable by the last part of its name: variances around 1, scales of normalizations around `gamma`, kernels from He's
/// uniform range, all else around 0.
inline Tensor formula_weight(const std::string& name, const Shape& shape, std::uint32_t stream, double gamma = 1) {
  const std::string last = name.substr(name.rfind('/') + 1);
  if (last == "gamma") return formula_values(shape, stream, 0.5 * gamma, 1.5 * gamma);
  if (last == "moving_variance") return formula_values(shape, stream, 0.5, 1.5);
  if (last.find("kernel") == std::string::npos) return formula_values(shape, stream, -0.1, 0.1);
  // A depthwise kernel is (height, width, channels, multiplier): each output sees one channel.
  const std::int64_t taps = shape.elements() / shape[static_cast<std::ptrdiff_t>(shape.rank()) - 1];
  // A Dense layer gives small logits, or softmax would show one class alone.
  const double limit =
      std::sqrt((shape.rank() == 2 ? 0.1 : 6.0) / static_cast<double>(last == "depthwise_kernel" ? taps / shape[2] : taps));
  return formula_values(shape, stream, -limit, limit);
}

/// Each variable from the stream of its place in the model's order.
inline void set_formula_weights(Model& model, double gamma = 1) {
  std::vector<Tensor> weights;
  for (const auto& [name, value] : model.named_weights())
    weights.push_back(formula_weight(name, value.shape(), static_cast<std::uint32_t>(weights.size()), gamma));
  model.set_weights(weights);
}

inline constexpr std::size_t sketch_size = 64;

/// A linear map to 64 numbers, in which every element has its part: element i is added to the number that its hash says, or subtracted. The
/// distance of two sketches is that of the tensors but for about 20 %. A tensor of 64 or fewer elements is its own sketch.
inline Values sketch(const Tensor& tensor) {
  const Values values = values_of(tensor);
  if (values.size() <= sketch_size) return values;
  Values sums(sketch_size);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t h = hashed(0x5EED, static_cast<std::uint32_t>(i));
    sums[h % sketch_size] += (h >> 31) != 0 ? -values[i] : values[i];
  }
  return sums;
}

}  // namespace linn::tests
