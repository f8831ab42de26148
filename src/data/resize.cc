#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace linn::detail::data {
namespace {

// The source pixels of one target pixel along one axis, weights adding up to 1.
struct Taps {
  std::int64_t first = 0;
  std::vector<float> weights;
};

std::vector<Taps> taps_of(std::int64_t from, std::int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(scale, 1.0);
  std::vector<Taps> all(static_cast<std::size_t>(to));
  for (std::int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const std::int64_t first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(centre - support)));
    const std::int64_t last = std::min(from, static_cast<std::int64_t>(std::ceil(centre + support)));
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t j = first; j < last; ++j) {
      const double weight = std::max(0.0, 1 - std::abs(static_cast<double>(j) + 0.5 - centre) / support);
      weights.push_back(weight);
      sum += weight;
    }
    Taps& taps = all[static_cast<std::size_t>(i)];
    taps.first = first;
    for (const double weight : weights) taps.weights.push_back(static_cast<float>(weight / sum));
  }
  return all;
}

}  // namespace

void resize_image(const Tensor& image, const Size2& size, std::span<std::uint8_t> to) {
  const auto height = static_cast<std::size_t>(image.shape()[0]);
  const auto width = static_cast<std::size_t>(image.shape()[1]);
  const auto channels = static_cast<std::size_t>(image.shape()[2]);
  const std::vector<Taps> rows = taps_of(image.shape()[0], size.height);
  const std::vector<Taps> columns = taps_of(image.shape()[1], size.width);
  const std::uint8_t* src = image.values<std::uint8_t>().data();

  // Columns first: [height][target width][channels].
  std::vector<float> wide(height * columns.size() * channels);
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < columns.size(); ++x)
      for (std::size_t c = 0; c < channels; ++c) {
        const Taps& taps = columns[x];
        float sum = 0;
        for (std::size_t k = 0; k < taps.weights.size(); ++k)
          sum += taps.weights[k] * static_cast<float>(src[(y * width + static_cast<std::size_t>(taps.first) + k) * channels + c]);
        wide[(y * columns.size() + x) * channels + c] = sum;
      }

  const std::size_t line = columns.size() * channels;
  std::vector<float> sums(line);
  for (std::size_t y = 0; y < rows.size(); ++y) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (std::size_t k = 0; k < rows[y].weights.size(); ++k) {
      const float* from = wide.data() + (static_cast<std::size_t>(rows[y].first) + k) * line;
      for (std::size_t i = 0; i < line; ++i) sums[i] += rows[y].weights[k] * from[i];
    }
    for (std::size_t i = 0; i < line; ++i)
      to[y * line + i] = static_cast<std::uint8_t>(std::clamp(std::lround(sums[i]), 0L, 255L));
  }
}

Tensor resized(const Tensor& image, const Size2& size) {
  Tensor result({size.height, size.width, image.shape()[2]}, DType::u8);
  resize_image(image, size, result.values<std::uint8_t>());
  return result;
}

}  // namespace linn::detail::data
