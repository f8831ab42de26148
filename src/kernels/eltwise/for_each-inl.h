// Runs a functor over all elements of an array in vectors, and the functor that copies.
#if defined(LINN_ELTWISE_FOR_EACH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_ELTWISE_FOR_EACH_INL_H
#undef LINN_ELTWISE_FOR_EACH_INL_H
#else
#define LINN_ELTWISE_FOR_EACH_INL_H
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::eltwise {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Calls f(d, i) for i = 0, Lanes(d), ... in full vectors; the tail in vectors of 4, then 1. All sizes run the same source and so give the
/// same bits. Nothing beyond `count` is read or written.
template <class F>
HWY_INLINE void for_each(std::int64_t count, const F& f) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 4> d4;
  const hn::CappedTag<float, 1> d1;
  constexpr std::int64_t lanes = hn::MaxLanes(d);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) f(d, i);
  for (; i + 4 <= count; i += 4) f(d4, i);
  for (; i < count; ++i) f(d1, i);
}

/// dst = src.
struct Copy {
  const float* src;
  float* dst;
  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    hn::StoreU(hn::LoadU(d, src + i), d, dst + i);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::eltwise
HWY_AFTER_NAMESPACE();

#endif
