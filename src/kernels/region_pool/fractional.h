// Regions of fractional max pooling. Source: Graham, "Fractional max-pooling", arXiv 1412.6071 (2014), section 2.
#pragma once

#include <cstdint>

#include "core/random.h"

namespace linn::detail::kernels {

/// Regions of one axis: out regions over `size` cells, size >= out >= 1.
struct FractionalAxis {
  std::int64_t size = 1, out = 1;
};

/// Borders b[0] = 0 < b[1] < ... < b[out] = size, alpha = size / out apart on average, floor(alpha) or ceil(alpha) each time. Writes
/// b[i] into first[i] and b[i + 1] into last[i]: disjoint regions.
/// Pseudo-random: b[i] = ceil(alpha (i + u)) - ceil(alpha u), u in (0, 1).
void pseudo_random_regions(const FractionalAxis& axis, double u, std::int32_t* first, std::int32_t* last);
/// Random: the right number of both increments in random order. The draws are numbers `index` and up of `random`.
void random_regions(const FractionalAxis& axis, const core::Random& random, std::uint64_t index, std::int32_t* first, std::int32_t* last);
/// Overlapping regions: each also has the first cell of the next one.
void overlap(const FractionalAxis& axis, std::int32_t* last);
/// PyTorch's form: regions of `pool` cells from floor((i + u) alpha) - floor(u alpha) on with alpha = (size - pool) / (out - 1); the last
/// one ends with the axis.
void windows_of_one_size(const FractionalAxis& axis, std::int64_t pool, double u, std::int32_t* first, std::int32_t* last);

}  // namespace linn::detail::kernels
