#include "data/channels.h"

#include <algorithm>
#include <cstddef>

namespace linn::detail::data {

void convert_channels(std::span<const std::uint8_t> from, std::int64_t from_channels, std::span<std::uint8_t> to, std::int64_t to_channels) {
  if (from_channels == to_channels) {
    std::copy(from.begin(), from.end(), to.begin());
    return;
  }
  if (to_channels == 3) {
    for (std::size_t i = 0; i < from.size(); ++i) std::fill_n(to.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, from[i]);
    return;
  }
  for (std::size_t i = 0; i < to.size(); ++i)
    to[i] = static_cast<std::uint8_t>((299 * from[3 * i] + 587 * from[3 * i + 1] + 114 * from[3 * i + 2] + 500) / 1000);
}

Tensor with_channels(const Tensor& image, std::int64_t channels) {
  const Shape& shape = image.shape();
  if (shape[2] == channels) return image;
  Tensor result({shape[0], shape[1], channels}, DType::u8);
  convert_channels(image.values<std::uint8_t>(), shape[2], result.values<std::uint8_t>(), channels);
  return result;
}

}  // namespace linn::detail::data
