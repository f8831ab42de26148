#include "kernels/region_pool/fractional.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace linn::detail::kernels {
namespace {

// From increments in `last` to regions.
void add_up(const FractionalAxis& axis, std::int32_t* first, std::int32_t* last) {
  std::int32_t at = 0;
  for (std::int64_t i = 0; i < axis.out; ++i) {
    first[i] = at;
    at += last[i];
    last[i] = at;
  }
}

}  // namespace

void pseudo_random_regions(const FractionalAxis& axis, double u, std::int32_t* first, std::int32_t* last) {
  const double alpha = static_cast<double>(axis.size) / static_cast<double>(axis.out);
  const auto border = [&](std::int64_t i) { return static_cast<std::int32_t>(std::ceil(alpha * (static_cast<double>(i) + u))); };
  const std::int32_t start = border(0);
  for (std::int64_t i = 0; i < axis.out; ++i) {
    first[i] = border(i) - start;
    last[i] = border(i + 1) - start;
  }
  last[axis.out - 1] = static_cast<std::int32_t>(axis.size);  // alpha (out + u) may be rounded
}

void random_regions(const FractionalAxis& axis, const core::Random& random, std::uint64_t index, std::int32_t* first, std::int32_t* last) {
  const std::int64_t least = axis.size / axis.out, longer = axis.size % axis.out;
  for (std::int64_t i = 0; i < axis.out; ++i) last[i] = static_cast<std::int32_t>(i < longer ? least + 1 : least);
  for (std::int64_t i = axis.out - 1; i > 0; --i) std::swap(last[i], last[random.below(static_cast<std::uint64_t>(i) + 1, index++)]);
  add_up(axis, first, last);
}

void overlap(const FractionalAxis& axis, std::int32_t* last) {
  for (std::int64_t i = 0; i < axis.out; ++i) last[i] = std::min(last[i] + 1, static_cast<std::int32_t>(axis.size));
}

void windows_of_one_size(const FractionalAxis& axis, std::int64_t pool, double u, std::int32_t* first, std::int32_t* last) {
  const double alpha = axis.out > 1 ? static_cast<double>(axis.size - pool) / static_cast<double>(axis.out - 1) : 0;
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const auto start = static_cast<std::int32_t>(std::floor((static_cast<double>(i) + u) * alpha) - std::floor(u * alpha));
    first[i] = i == axis.out - 1 ? static_cast<std::int32_t>(axis.size - pool) : start;
    last[i] = first[i] + static_cast<std::int32_t>(pool);
  }
}

}  // namespace linn::detail::kernels
