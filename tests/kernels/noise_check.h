// Spatial dropout and Gaussian noise, each form against the definition.
#pragma once

#include <cmath>

#include "core/random.h"
#include "kernels/elementwise_check.h"
#include "kernels/eltwise/noise.h"

namespace linn::detail::kernels::check {

using testing::untouched;

inline void check_spatial_dropout(const SpatialDropout::Problem& p, std::int64_t images, std::uint64_t first, std::uint64_t seed, std::uint64_t stream) {
  SCOPED_TRACE("rate " + std::to_string(p.rate) + ", " + std::to_string(p.pixels) + " pixels, " + std::to_string(p.channels) + " channels");
  const Buffer src(make(images * p.pixels * p.channels, Values::normal, 1));
  Buffer expected(src.size());
  for (std::int64_t i = 0; i < src.size(); ++i) {
    const auto c = static_cast<std::uint64_t>(i % p.channels), image = first + static_cast<std::uint64_t>(i / (p.pixels * p.channels));
    const bool drop = core::Random(seed, stream).uniform(image * static_cast<std::uint64_t>(p.channels) + c) < p.rate;
    expected[i] = drop ? 0.0f : src[i] / static_cast<float>(1 - p.rate);
  }
  each_form<SpatialDropout>(p, [&](const Implementation<SpatialDropout>& form) {
    Buffer dst(src.size(), untouched), scratch(form.scratch(p, images), testing::unwritten);
    form.run(p, {images, seed, stream, first, src.data(), dst.data(), scratch.data()});
    ASSERT_TRUE(all_same(dst, expected));
  });
}

/// Each form within 6 units of the last place of the pair's radius from Box and Muller's formula in double, and a part of a call with the bits of the
/// whole.
inline void check_gaussian_noise(const GaussianNoise::Problem& p, std::int64_t count, std::uint64_t first, std::uint64_t seed, std::uint64_t stream) {
  SCOPED_TRACE("deviation " + std::to_string(p.deviation) + (p.multiplies ? ", a factor, " : ", ") + std::to_string(count) + " numbers from " + std::to_string(first));
  const Buffer src(make(count, Values::normal, 1));
  each_form<GaussianNoise>(p, [&](const Implementation<GaussianNoise>& form) {
    Buffer dst(count, untouched), part(count, untouched), scratch(form.scratch(p, 1), testing::unwritten);
    form.run(p, {count, seed, stream, first, src.data(), dst.data(), scratch.data()});
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t number = first + static_cast<std::uint64_t>(i);
      const NormalPair pair = normal_pair(seed, stream, number / 2);
      const double noise = p.deviation * (number % 2 == 0 ? pair.even : pair.odd), x = static_cast<double>(src[i]);
      const double expected = p.multiplies ? x * (1 + noise) : x + noise;
      const double radius = p.deviation * std::hypot(pair.even, pair.odd) * (p.multiplies ? std::abs(x) : 1);
      ASSERT_NEAR(static_cast<double>(dst[i]), expected, 0x1p-24 * (6 * radius + 2 * std::abs(x) + std::abs(expected))) << "number " << number;
    }
    const std::int64_t cut = count / 3;
    form.run(p, {cut, seed, stream, first, src.data(), part.data(), scratch.data()});
    form.run(p, {count - cut, seed, stream, first + static_cast<std::uint64_t>(cut), src.data() + cut, part.data() + cut, scratch.data()});
    ASSERT_TRUE(all_same(part, dst)) << "in two parts";
  });
}

}  // namespace linn::detail::kernels::check
