// Loops over channels in vectors, and the rule of the maximum, for all pooling kernels inside a Highway target.
#if defined(LINN_POOL_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_POOL_LANES_INL_H
#undef LINN_POOL_LANES_INL_H
#else
#define LINN_POOL_LANES_INL_H
#endif

#include <bit>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::pool {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Calls f(d, c) for c = first, first + Lanes(d), ... < channels: full vectors, then halves, quarters, ... for the remaining channels, so
/// that nothing outside the channels is read or written.
template <std::size_t cap = HWY_MAX_BYTES / sizeof(float), class F>
HWY_INLINE void for_lanes(std::int64_t first, std::int64_t channels, const F& f) {
  const hn::CappedTag<float, cap> d;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  std::int64_t c = first;
  for (; c + static_cast<std::int64_t>(lanes) <= channels; c += lanes) f(d, c);
  if constexpr (lanes > 1)
    if (c < channels) for_lanes<lanes / 2>(c, channels, f);
}

/// The same from channel 0: f.block<4>(d, c) for each four full vectors, then f(d, c) for the remaining channels.
template <class F>
HWY_INLINE void for_blocks(std::int64_t channels, const F& f) {
  const hn::ScalableTag<float> d;
  constexpr std::int64_t step = 4 * hn::MaxLanes(d);
  std::int64_t c = 0;
  for (; c + step <= channels; c += step) f.template block<4>(d, c);
  for_lanes(c, channels, f);
}

/// Stores a vector; with `stream` full vectors bypass the caches (see `streams` in window.h).
template <class D>
HWY_INLINE void store(D d, hn::Vec<D> v, float* dst, bool stream) {
  if constexpr (hn::MaxLanes(d) == hn::MaxLanes(hn::ScalableTag<float>()))
    if (stream) return hn::Stream(v, d, dst);
  hn::StoreU(v, d, dst);
}

/// Lanes where `value` replaces the maximum `best`: where it is larger or the first NaN.
template <class V>
HWY_INLINE auto beats(V value, V best) {
  return hn::AndNot(hn::Le(value, best), hn::Eq(best, best));
}

/// Divides vectors by a count. Powers of two become a multiplication, which gives the same bits and is ten times cheaper.
struct Divisor {
  float by;
  bool power_of_two;
  explicit Divisor(std::int64_t count)
      : by(static_cast<float>(count)), power_of_two(std::has_single_bit(static_cast<std::uint64_t>(count))) {}
  template <class D, class V>
  HWY_INLINE V divide(D d, V v) const {
    if (power_of_two) return hn::Mul(v, hn::Set(d, 1 / by));
    return hn::Div(v, hn::Set(d, by));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::pool
HWY_AFTER_NAMESPACE();

#endif
