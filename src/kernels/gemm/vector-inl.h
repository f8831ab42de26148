// Vectors of at most 16 floats: loads and stores of whole vectors and of their first elements. Included once for each target.
#if defined(LINN_KERNELS_GEMM_VECTOR_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_GEMM_VECTOR_INL_H
#undef LINN_KERNELS_GEMM_VECTOR_INL_H
#else
#define LINN_KERNELS_GEMM_VECTOR_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

inline constexpr int lanes = static_cast<int>(hn::MaxLanes(D()));
/// Vector registers for sums: all but those for operands.
inline constexpr int accumulators = HWY_TARGET <= HWY_AVX3 ? 26 : 12;

/// The same pointer, hidden from the optimizer: it is kept in a register and not computed again as base + index in the address of each
/// load. On Zen 5, 18 multiply-adds with a memory operand take 2.3 ns with such a pointer and 3.1 ns with base + index.
HWY_INLINE const float* Direct(const float* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  asm("" : "+r"(p));
#endif
  return p;
}

/// Loads the first `count` floats (0 < count <= lanes); the other lanes are 0. Reads no memory beyond them, as MaskedLoad of SSE4 would.
HWY_INLINE V LoadPart(const float* p, std::int64_t count) {
  const D d;
#if HWY_TARGET <= HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(count)), d, p);
#else
  alignas(64) float part[lanes] = {};
  for (std::int64_t i = 0; i < count; ++i) part[i] = p[i];
  return hn::Load(d, part);
#endif
}

/// LoadPart for any count > 0: a whole vector if count >= lanes.
HWY_INLINE V LoadCount(const float* p, std::int64_t count) { return HWY_LIKELY(count >= lanes) ? hn::LoadU(D(), p) : LoadPart(p, count); }

HWY_INLINE void StorePart(V v, float* p, std::int64_t count) {
  const D d;
#if HWY_TARGET <= HWY_AVX2
  hn::BlendedStore(v, hn::FirstN(d, static_cast<size_t>(count)), d, p);
#else
  alignas(64) float part[lanes];
  hn::Store(v, d, part);
  for (std::int64_t i = 0; i < count; ++i) p[i] = part[i];
#endif
}

/// StorePart for any count > 0: a whole vector if count >= lanes.
HWY_INLINE void StoreCount(V v, float* p, std::int64_t count) {
  if (HWY_LIKELY(count >= lanes))
    hn::StoreU(v, D(), p);
  else
    StorePart(v, p, count);
}

/// Loads vector v of `vectors`. With kTail the last vector has `last` floats.
template <bool kTail>
HWY_INLINE V LoadVector(const float* p, int v, int vectors, std::int64_t last) {
  return kTail && v == vectors - 1 ? LoadPart(p + v * lanes, last) : hn::LoadU(D(), p + v * lanes);
}

template <bool kTail>
HWY_INLINE void StoreVector(V value, float* p, int v, int vectors, std::int64_t last) {
  if (kTail && v == vectors - 1)
    StorePart(value, p + v * lanes, last);
  else
    hn::StoreU(value, D(), p + v * lanes);
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
