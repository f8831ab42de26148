// Networks under circular shifts, bit by bit.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "linn/model.h"
#include "linn/shift.h"
#include "linn/tensor.h"

namespace linn::tests {

/// Numbers in [0, 1), float32 (n, height, width, channels).
inline Tensor random_images(std::int64_t n, const Shape& image, std::uint32_t seed) {
  Tensor images({n, image[0], image[1], image[2]});
  std::mt19937 engine(seed);
  for (float& value : images.values<float>()) value = static_cast<float>(engine() >> 8U) / static_cast<float>(1U << 24U);
  return images;
}

/// Every variable: kernels and offsets around 0, what scales and variances are above it.
inline void randomize(Model& model, std::uint32_t seed) {
  std::mt19937 engine(seed);
  auto weights = model.named_weights();
  for (auto& [name, value] : weights) {
    const bool positive = name.ends_with("variance") || name.ends_with("gamma");
    for (float& number : value.values<float>())
      number = static_cast<float>(engine() >> 8U) / static_cast<float>(1U << 24U) + (positive ? 0.5F : -0.5F);
  }
  model.set_named_weights(weights);
}

/// Of all circular shifts of an image, how many give another output than none, in any bit.
inline std::int64_t shifts_that_change(const Model& model, const Tensor& image) {
  const std::int64_t height = image.shape()[1], width = image.shape()[2], numbers = image.elements();
  Tensor all({height * width, height, width, image.shape()[3]});
  for (std::int64_t shift = 0; shift < height * width; ++shift) {
    const Tensor moved = shift::rolled(image, shift / width, shift % width);
    std::memcpy(all.values<float>().data() + shift * numbers, moved.values<float>().data(),
                static_cast<std::size_t>(numbers) * sizeof(float));
  }
  const Tensor outputs = model.predict(all);
  const std::int64_t row = outputs.elements() / (height * width);
  const float* first = outputs.values<float>().data();
  std::int64_t changed = 0;
  for (std::int64_t shift = 1; shift < height * width; ++shift)
    changed += std::memcmp(first, first + shift * row, static_cast<std::size_t>(row) * sizeof(float)) != 0 ? 1 : 0;
  return changed;
}

}  // namespace linn::tests
