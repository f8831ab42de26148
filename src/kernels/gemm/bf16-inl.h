// vdpbf16ps and rounding to bfloat16 for AVX-512 vectors. Highway 1.0.3 knows neither, so the functions that use them are compiled with
// one more target attribute, LINN_BEFORE_BF16 to LINN_AFTER_BF16, and run only where core::isa() is avx512_bf16. Included once a target.
#if defined(LINN_KERNELS_GEMM_BF16_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_GEMM_BF16_INL_H
#undef LINN_KERNELS_GEMM_BF16_INL_H
#else
#define LINN_KERNELS_GEMM_BF16_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

#include "kernels/gemm/bf16.h"
#include "kernels/gemm/vector-inl.h"

#if HWY_TARGET == HWY_AVX3
#include <immintrin.h>

#undef LINN_BEFORE_BF16
#undef LINN_AFTER_BF16
#define LINN_BEFORE_BF16() HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR_AVX3 ",avx512bf16") static_assert(true, "For requiring trailing semicolon")
#define LINN_AFTER_BF16() HWY_POP_ATTRIBUTES static_assert(true, "For requiring trailing semicolon")

LINN_BEFORE_BF16();
namespace linn::detail::kernels::HWY_NAMESPACE {

/// The step of sums in bfloat16: a pair of terms. Rows of b are packed by pack_bf16. Members: see step.inc.
struct PairStep {
  using Element = Bf16;
  using Vector = __m512i;
  static constexpr int terms = 2;
  static constexpr bool packed = true;

  template <bool kTail>
  static HWY_INLINE __m512i Load(const Bf16* b, int v, int /*vectors*/, std::int64_t b_vector, std::int64_t /*last*/) {
    return _mm512_loadu_si512(b + v * b_vector);
  }
  static HWY_INLINE __m512i Broadcast(const Bf16* a) {
    std::int32_t pair;
    std::memcpy(&pair, a, sizeof(pair));
    return _mm512_set1_epi32(pair);
  }
  /// The element at a and 0. Does not read the element's neighbour, which may be NaN or outside the array.
  static HWY_INLINE __m512i BroadcastPart(const Bf16* a, std::int64_t /*part*/) {
    std::int16_t single;
    std::memcpy(&single, a, sizeof(single));
    return _mm512_maskz_set1_epi16(0x55555555u, single);
  }
  /// sum + a.second * b.second, then + a.first * b.first, lane by lane.
  static HWY_INLINE V MulAdd(__m512i a, __m512i b, V sum) { return V{_mm512_dpbf16_ps(sum.raw, (__m512bh)a, (__m512bh)b)}; }
};

/// Rounded to nearest even; denormals become 0.
HWY_INLINE __m256i RoundVector(V v) { return (__m256i)_mm512_cvtneps_pbh(v.raw); }

/// Pairs (first[i], second[i]).
HWY_INLINE __m512i InterleaveRounded(V first, V second) {
  const __m512i low = _mm512_cvtepu16_epi32(RoundVector(first)), high = _mm512_cvtepu16_epi32(RoundVector(second));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
LINN_AFTER_BF16();
#endif  // HWY_AVX3
#endif
