// The step of sums in float32 (step.inc). Included once for each target.
#if defined(LINN_KERNELS_GEMM_FLOAT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_GEMM_FLOAT_INL_H
#undef LINN_KERNELS_GEMM_FLOAT_INL_H
#else
#define LINN_KERNELS_GEMM_FLOAT_INL_H
#endif

#include "kernels/gemm/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {

/// One term. The vectors of a row of b lie side by side, at least those of a tile: their distance must be known to the compiler, as a tile of
/// 13 rows leaves no general register for it (a tenth of a product of 32 terms). Members: see step.inc.
struct FloatStep {
  using Element = float;
  using Vector = V;
  static constexpr int terms = 1;
  static constexpr bool packed = false;

  template <bool kTail>
  static HWY_INLINE V Load(const float* b, int v, int vectors, std::int64_t /*b_vector*/, std::int64_t last) {
    return LoadVector<kTail>(b, v, vectors, last);
  }
  static HWY_INLINE V Broadcast(const float* a) { return hn::Set(D(), *a); }
  static HWY_INLINE V MulAdd(V a, V b, V sum) { return hn::MulAdd(a, b, sum); }

  /// Copies `columns` floats of a row of b to whole vectors, with zeros behind them.
  static HWY_INLINE void Copy(const float* b, std::int64_t columns, int vectors, float* to) {
    for (int v = 0; v < vectors; ++v) hn::StoreU(LoadCount(b + v * lanes, columns - v * lanes), D(), to + v * lanes);
  }
};

}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
