// Order-free sums (core/order_free.h) in vectors. All instruction sets add the same whole numbers, so they give the same bits.
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
namespace linn::detail::kernels::order_free {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Terms in units, each plus the bits of FixedPoint::rounding, which `without_rounding` subtracts from the sum. `scale` is a power of two,
/// so that only the addition rounds.
template <class D, class V>
HWY_INLINE auto units(D d, V term, V scale) {
  return hn::BitCast(hn::RebindToSigned<D>(), hn::MulAdd(term, scale, hn::Set(d, core::FixedPoint::rounding)));
}

/// The bits of magnitudes as integers. They have the order of the magnitudes; infinity is above all numbers, NaN above infinity.
template <class D>
HWY_INLINE auto magnitude_bits(D d, const float* src) {
  const hn::RebindToSigned<D> di;
  return hn::And(hn::BitCast(di, hn::LoadU(d, src)), hn::Set(di, 0x7fffffff));
}

}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::order_free
HWY_AFTER_NAMESPACE();

#endif
