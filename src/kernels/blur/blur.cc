#include "kernels/blur/blur.h"

namespace linn::detail::kernels {

std::array<float, most_blur_taps> blur_weights(std::int64_t taps) {
  std::array<float, most_blur_taps> weights = {1.0f};
  // Each row of Pascal's triangle from the one before: half of each number goes to each of its two successors.
  for (std::int64_t row = 1; row < taps; ++row)
    for (std::int64_t i = row; i >= 0; --i) {
      const auto at = static_cast<std::size_t>(i);
      weights[at] = (weights[at] + (i > 0 ? weights[at - 1] : 0.0f)) / 2;
    }
  return weights;
}

}  // namespace linn::detail::kernels
