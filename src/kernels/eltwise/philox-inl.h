// core::philox (core/random.cc) in vectors. Included once for each target.
#if defined(LINN_ELTWISE_PHILOX_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_ELTWISE_PHILOX_INL_H
#undef LINN_ELTWISE_PHILOX_INL_H
#else
#define LINN_ELTWISE_PHILOX_INL_H
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::eltwise {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// (high << 32 | low) = a * b in each lane.
template <class D, class V>
HWY_INLINE void multiply_wide(D du, V a, V b, V* high, V* low) {
  const hn::RepartitionToWide<D> dw;
  const auto even = hn::BitCast(du, hn::MulEven(a, b));
  const auto odd = hn::BitCast(du, hn::MulEven(hn::BitCast(du, hn::ShiftRight<32>(hn::BitCast(dw, a))), b));
  *low = hn::OddEven(hn::BitCast(du, hn::ShiftLeft<32>(hn::BitCast(dw, odd))), even);
  *high = hn::OddEven(odd, hn::BitCast(du, hn::ShiftRight<32>(hn::BitCast(dw, even))));
}

/// The four words of each of Lanes(du) consecutive counters, from any counter on.
template <class D, class V>
HWY_INLINE void philox_words(D du, std::uint64_t key, std::uint64_t stream, std::uint64_t counter, V (&words)[4]) {
  const hn::Rebind<std::int32_t, D> di;
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
  // Counters have 64 bits: from this lane on the lower half has begun anew.
  const std::uint64_t until_carry = (std::uint64_t{1} << 32) - (counter & 0xffffffffu);
  const auto carries = hn::RebindMask(du, hn::Gt(hn::Iota(di, 0), hn::Set(di, static_cast<std::int32_t>(HWY_MIN(until_carry, hn::MaxLanes(du)) - 1))));
  const std::uint32_t upper = static_cast<std::uint32_t>(counter >> 32);
  words[0] = hn::Iota(du, static_cast<std::uint32_t>(counter));
  words[1] = hn::IfThenElse(carries, hn::Set(du, upper + 1), hn::Set(du, upper));
  words[2] = hn::Set(du, static_cast<std::uint32_t>(stream));
  words[3] = hn::Set(du, static_cast<std::uint32_t>(stream >> 32));
  const auto m0 = hn::Set(du, 0xD2511F53u);
  const auto m1 = hn::Set(du, 0xCD9E8D57u);
  for (int round = 0; round < 10; ++round) {
    V high0, low0, high1, low1;
    multiply_wide(du, words[0], m0, &high0, &low0);
    multiply_wide(du, words[2], m1, &high1, &low1);
    words[0] = hn::Xor(hn::Xor(high1, words[1]), hn::Set(du, k0));
    words[1] = low1;
    words[2] = hn::Xor(hn::Xor(high0, words[3]), hn::Set(du, k1));
    words[3] = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace linn::detail::kernels::eltwise
HWY_AFTER_NAMESPACE();

#endif
