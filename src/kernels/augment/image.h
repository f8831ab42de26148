// An image in memory: rows of pixels, whose channels stand side by side.
#pragma once

#include <cstdint>

namespace linn::detail::kernels {

struct ImageSize {
  std::int64_t height = 0, width = 0, channels = 0;

  std::int64_t pixels() const { return height * width; }
  std::int64_t elements() const { return pixels() * channels; }
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

}  // namespace linn::detail::kernels
