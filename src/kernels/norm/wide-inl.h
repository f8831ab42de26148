// Rows of few channels read as fewer, wider rows, and wide rows cut into panels of vectors. Included once a target.
#if defined(LINN_KERNELS_NORM_WIDE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_NORM_WIDE_INL_H
#undef LINN_KERNELS_NORM_WIDE_INL_H
#else
#define LINN_KERNELS_NORM_WIDE_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "kernels/gemm/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::HWY_NAMESPACE {

/// A row below this many channels is taken together with its neighbours, a power of two of them, so that vectors are full.
inline constexpr std::int64_t narrow = 4 * lanes;
/// What a wide row of several pixels stays below.
inline constexpr std::int64_t widest = 2 * narrow;

/// Pixels of one wide row.
inline std::int64_t pixels_in_a_row(std::int64_t channels) {
  std::int64_t pixels = 1;
  while (channels * pixels < narrow) pixels *= 2;
  return pixels;
}

/// Per-channel coefficients, [count, channels], as wide rows of `pixels` see them: [count, channels * pixels], written to `wide`
/// unless one pixel is a row.
inline const float* widened(const float* coefficients, std::int64_t count, std::int64_t channels, std::int64_t pixels, float* wide) {
  if (pixels == 1) return coefficients;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t p = 0; p < pixels; ++p) std::copy_n(coefficients + i * channels, channels, wide + (i * pixels + p) * channels);
  return wide;
}

/// Calls panel.run<vectors, tail>(first column, columns of the last vector) for all columns, in at most 4 vectors.
template <int kMost, class Panel>
HWY_INLINE void for_each_panel(std::int64_t width, const Panel& panel) {
  static_assert(kMost == 2 || kMost == 4);
  std::int64_t c = 0;
  for (; width - c >= kMost * lanes; c += kMost * lanes) panel.template run<kMost, false>(c, lanes);
  if (kMost == 4 && width - c >= 2 * lanes) panel.template run<2, false>(c, lanes), c += 2 * lanes;
  if (width - c > lanes) panel.template run<2, true>(c, width - c - lanes), c = width;
  if (c < width) panel.template run<1, true>(c, width - c);
}

}  // namespace linn::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
