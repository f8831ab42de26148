// Rows of few channels as fewer and wider rows, and loops over panels of vectors of a row. Included once for each target.
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
namespace linn::detail::kernels::HWY_NAMESPACE {

/// Rows of fewer channels are joined with their neighbours, a power of two of them, so that vectors are full.
inline constexpr std::int64_t narrow = 4 * lanes;
/// Upper limit (exclusive) of the width of a joined row.
inline constexpr std::int64_t widest = 2 * narrow;

/// Pixels that one wide row joins; 1: rows stay as they are.
inline std::int64_t pixels_in_a_row(std::int64_t channels) {
  std::int64_t pixels = 1;
  while (channels * pixels < narrow) pixels *= 2;
  return pixels;
}

/// Coefficients [count, channels] repeated for wide rows: [count, channels * pixels], written to `wide`. With pixels = 1 the coefficients
/// themselves.
inline const float* widened(const float* coefficients, std::int64_t count, std::int64_t channels, std::int64_t pixels, float* wide) {
  if (pixels == 1) return coefficients;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t p = 0; p < pixels; ++p) std::copy_n(coefficients + i * channels, channels, wide + (i * pixels + p) * channels);
  return wide;
}

/// Calls panel.run<vectors, tail>(first column, columns of the last vector) for panels of at most kMost vectors that cover all columns.
template <int kMost, class Panel>
HWY_INLINE void for_each_panel(std::int64_t width, const Panel& panel) {
  static_assert(kMost == 2 || kMost == 4);
  std::int64_t c = 0;
  for (; width - c >= kMost * lanes; c += kMost * lanes) panel.template run<kMost, false>(c, lanes);
  if (kMost == 4 && width - c >= 2 * lanes) panel.template run<2, false>(c, lanes), c += 2 * lanes;
  if (width - c > lanes) panel.template run<2, true>(c, width - c - lanes), c = width;
  if (c < width) panel.template run<1, true>(c, width - c);
}

}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
