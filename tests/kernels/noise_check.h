// Spatial dropout, each form against the definition.
#pragma once

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

}  // namespace linn::detail::kernels::check
