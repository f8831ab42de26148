#include "data/resize.h"

#include <algorithm>
#include <array>
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

// One line of pixels of 1 or 3 channels.
template <std::size_t channels>
void resize_row(const float* from, const std::vector<Taps>& columns, float* to) {
  for (const Taps& taps : columns) {
    const float* pixel = from + static_cast<std::size_t>(taps.first) * channels;
    std::array<float, channels> sums{};
    for (const float weight : taps.weights) {
      for (std::size_t c = 0; c < channels; ++c) sums[c] += weight * pixel[c];
      pixel += channels;
    }
    to = std::copy(sums.begin(), sums.end(), to);
  }
}

// The nearest integer of a number of 0 or more, halves up, as std::lround; without a call, so that loops become vectors.
std::uint8_t rounded(float value) {
  const auto whole = static_cast<int>(value);
  return static_cast<std::uint8_t>(std::min(whole + (value - static_cast<float>(whole) >= 0.5f ? 1 : 0), 255));
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
  const std::size_t line = columns.size() * channels;
  std::vector<float> wide(height * line), row(width * channels);
  for (std::size_t y = 0; y < height; ++y) {
    std::copy_n(src + y * width * channels, width * channels, row.begin());
    if (channels == 1)
      resize_row<1>(row.data(), columns, wide.data() + y * line);
    else
      resize_row<3>(row.data(), columns, wide.data() + y * line);
  }

  std::vector<float> sums(line);
  for (std::size_t y = 0; y < rows.size(); ++y) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (std::size_t k = 0; k < rows[y].weights.size(); ++k) {
      const float weight = rows[y].weights[k];
      const float* from = wide.data() + (static_cast<std::size_t>(rows[y].first) + k) * line;
      for (std::size_t i = 0; i < line; ++i) sums[i] += weight * from[i];
    }
    for (std::size_t i = 0; i < line; ++i) to[y * line + i] = rounded(sums[i]);
  }
}

Tensor resized(const Tensor& image, const Size2& size) {
  Tensor result({size.height, size.width, image.shape()[2]}, DType::u8);
  resize_image(image, size, result.values<std::uint8_t>());
  return result;
}

}  // namespace linn::detail::data
