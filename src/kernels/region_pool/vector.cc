// Maxima of regions: for each region, for each vector of channels, all its pixels. The maxima and their places stay in registers.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/region_pool/vector.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/eltwise/for_each-inl.h"
#include "kernels/region_pool/vector.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::region_pool {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using eltwise::HWY_NAMESPACE::for_each;

template <bool with_argmax>
struct Largest {
  const float* src;  // of the image
  std::int64_t width, channels;
  std::int32_t top, bottom, left, right;
  float* dst;
  std::int32_t* argmax;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const hn::RebindToSigned<D> di;
    const std::int64_t first = top * width + left;
    auto best = hn::LoadU(d, src + first * channels + i);
    auto place = hn::Set(di, static_cast<std::int32_t>(first));
    for (std::int64_t row = top; row < bottom; ++row)
      for (std::int64_t pixel = row * width + left; pixel < row * width + right; ++pixel) {
        const auto value = hn::LoadU(d, src + pixel * channels + i);
        const auto stays = hn::Or(hn::Ge(best, value), hn::IsNaN(best));
        best = hn::IfThenElse(stays, best, value);
        if constexpr (with_argmax) place = hn::IfThenElse(hn::RebindMask(di, stays), place, hn::Set(di, static_cast<std::int32_t>(pixel)));
      }
    hn::StoreU(best, d, dst + i);
    if constexpr (with_argmax) hn::StoreU(place, di, argmax + i);
  }
};

template <bool with_argmax>
void forward_of(const RegionMaxForward::Problem& p, const RegionMaxForward::Args<float>& args) {
  std::int64_t dst = 0;
  for (std::int64_t n = 0; n < args.images; ++n)
    for (std::int64_t y = 0; y < p.out_height; ++y)
      for (std::int64_t x = 0; x < p.out_width; ++x, dst += p.channels)
        for_each(p.channels, Largest<with_argmax>{args.src + n * p.src_elements(), p.width, p.channels, args.rows.first[y],
                                                  args.rows.last[y], args.columns.first[x], args.columns.last[x], args.dst + dst,
                                                  with_argmax ? args.argmax + dst : nullptr});
}

void forward(const RegionMaxForward::Problem& p, const RegionMaxForward::Args<float>& args) {
  if (args.argmax != nullptr)
    forward_of<true>(p, args);
  else
    forward_of<false>(p, args);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::region_pool
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels::region_pool {

HWY_EXPORT(forward);

void Lanes::run(const RegionMaxForward::Problem& problem, const RegionMaxForward::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(forward)(problem, args);
}

}  // namespace linn::detail::kernels::region_pool
#endif
