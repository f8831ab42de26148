// Spatial dropout. For each image: draws the channels to keep, then one pass over the pixels. Bound by memory.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/eltwise/noise_vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "core/random.h"
#include "kernels/eltwise/for_each-inl.h"
#include "kernels/eltwise/noise_vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::eltwise {
namespace HWY_NAMESPACE {
namespace {

struct Keep {
  const float* src;
  const float* kept;  // 1 or 0
  float* dst;
  float keep;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto drop = hn::Eq(hn::LoadU(d, kept + i), hn::Zero(d));
    hn::StoreU(hn::IfThenZeroElse(drop, hn::Div(hn::LoadU(d, src + i), hn::Set(d, keep))), d, dst + i);
  }
};

void spatial_dropout(const SpatialDropout::Problem& p, const SpatialDropout::Args<float>& args) {
  const core::Random random(args.seed, args.stream);
  const float keep = static_cast<float>(1 - p.rate);
  for (std::int64_t n = 0; n < args.images; ++n) {
    const std::uint64_t first = (args.first + static_cast<std::uint64_t>(n)) * static_cast<std::uint64_t>(p.channels);
    for (std::int64_t c = 0; c < p.channels; ++c)
      args.scratch[c] = random.uniform(first + static_cast<std::uint64_t>(c)) < p.rate ? 0.0f : 1.0f;
    for (std::int64_t pixel = 0; pixel < p.pixels; ++pixel) {
      const std::int64_t at = (n * p.pixels + pixel) * p.channels;
      for_each(p.channels, Keep{args.src + at, args.scratch, args.dst + at, keep});
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::eltwise
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::eltwise {

HWY_EXPORT(spatial_dropout);

void VectorSpatialDropout::run(const SpatialDropout::Problem& problem, const SpatialDropout::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(spatial_dropout)(problem, args);
}

}  // namespace linn::detail::kernels::eltwise
#endif
