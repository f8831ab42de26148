// core/order_free.h in vectors, on every instruction set: the same whole numbers, so the same bits.
#if defined(LINN_KERNELS_REDUCE_ORDER_FREE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_REDUCE_ORDER_FREE_INL_H
#undef LINN_KERNELS_REDUCE_ORDER_FREE_INL_H
#else
#define LINN_KERNELS_REDUCE_ORDER_FREE_INL_H
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "kernels/reduce/order_free.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::order_free {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Terms in units, each with the bits of `rounding` in it, of which `without_rounding` frees the sum. `scale` is a power of two, so only
/// the addition rounds.
template <class D, class V>
HWY_INLINE auto units(D d, V term, V scale) {
  return hn::BitCast(hn::RebindToSigned<D>(), hn::MulAdd(term, scale, hn::Set(d, core::FixedPoint::rounding)));
}

/// The bits of magnitudes: ordered as the magnitudes are, infinity above all numbers and NaN above that.
template <class D>
HWY_INLINE auto magnitude_bits(D d, const float* src) {
  const hn::RebindToSigned<D> di;
  return hn::And(hn::BitCast(di, hn::LoadU(d, src)), hn::Set(di, 0x7fffffff));
}

}  // namespace HWY_NAMESPACE
}  // namespace linn::kernels::order_free
HWY_AFTER_NAMESPACE();

#endif
