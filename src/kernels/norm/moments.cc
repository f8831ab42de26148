// NormMoments: mean and sum of squared deviations of each channel of an image.
//
// Loop nest:  for each panel of at most 4 vectors of columns, for each block of 64 rows: its sum, then, from the first-level cache,
//             deviations from the block's own mean d: sum of d and of d * d (the corrected two-pass form); blocks are joined in double.
//             Rows of few channels are read as wide ones (wide-inl.h) and the pixels of a wide row joined in the end.
// Registers:  4 accumulators in the first pass, 12 values in the second.
// Measured (Zen 4, AVX-512, one core): see docs/engine.md.
#include "kernels/norm/vector.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm/moments.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/norm/join.h"
#include "kernels/norm/wide-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::kernels::HWY_NAMESPACE {
namespace {

constexpr std::int64_t block_rows = 64;

// Moments of one block: mean of the columns, sum of deviations from it, sum of their squares.
template <int kVectors, bool kTail>
HWY_INLINE void block_moments(const float* src, std::int64_t rows, std::int64_t pitch, std::int64_t last, float* mean, float* sum, float* squares) {
  V m[kVectors], s[kVectors], q[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) m[v] = s[v] = q[v] = hn::Zero(D());
  for (std::int64_t r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) m[v] = hn::Add(m[v], LoadVector<kTail>(src + r * pitch, v, kVectors, last));
  const V count = hn::Set(D(), static_cast<float>(rows));
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) m[v] = hn::Div(m[v], count);
  for (std::int64_t r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const V d = hn::Sub(LoadVector<kTail>(src + r * pitch, v, kVectors, last), m[v]);
      s[v] = hn::Add(s[v], d);
      q[v] = hn::MulAdd(d, d, q[v]);
    }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    hn::StoreU(m[v], D(), mean + v * lanes);
    hn::StoreU(s[v], D(), sum + v * lanes);
    hn::StoreU(q[v], D(), squares + v * lanes);
  }
}

// Moments of rows [rows, width] into mean and squares, block by block.
struct MomentsPanel {
  const float* src;
  std::int64_t rows, width;
  double* mean;
  double* squares;

  template <int kVectors, bool kTail>
  HWY_NOINLINE void run(std::int64_t first, std::int64_t last) const {
    constexpr std::int64_t most = kVectors * lanes;
    HWY_ALIGN float block_mean[most];
    HWY_ALIGN float block_sum[most];
    HWY_ALIGN float block_squares[most];
    double other_mean[most], other_squares[most];
    const std::int64_t columns = kTail ? most - lanes + last : most;
    for (std::int64_t r = 0; r < rows; r += block_rows) {
      const std::int64_t count = std::min(block_rows, rows - r);
      block_moments<kVectors, kTail>(src + r * width + first, count, width, last, block_mean, block_sum, block_squares);
      const double share = 1 / static_cast<double>(count);
      for (std::int64_t c = 0; c < columns; ++c) {
        const double sum = static_cast<double>(block_sum[c]);
        other_mean[c] = static_cast<double>(block_mean[c]) + sum * share;
        other_squares[c] = static_cast<double>(block_squares[c]) - sum * sum * share;
      }
      norm::join_moments(columns, r, mean + first, squares + first, count, other_mean, other_squares);
    }
  }
};

void image_moments(const float* src, std::int64_t pixels, std::int64_t channels, double* moments) {
  double* mean = moments;
  double* squares = moments + channels;
  std::fill_n(moments, 2 * channels, 0.0);
  const std::int64_t together = pixels_in_a_row(channels);
  const std::int64_t rows = pixels / together, rest = pixels % together;
  if (together == 1) return for_each_panel<4>(channels, MomentsPanel{src, pixels, channels, mean, squares});
  std::int64_t done = 0;
  const auto join = [&](std::int64_t count, const double* other_mean, const double* other_squares) {
    norm::join_moments(channels, done, mean, squares, count, other_mean, other_squares);
    done += count;
  };
  double wide[2 * widest] = {};
  if (rows > 0) for_each_panel<4>(channels * together, MomentsPanel{src, rows, channels * together, wide, wide + widest});
  for (std::int64_t p = 0; rows > 0 && p < together; ++p) join(rows, wide + p * channels, wide + widest + p * channels);
  if (rest == 0) return;
  std::fill_n(wide, 2 * widest, 0.0);
  for_each_panel<4>(channels, MomentsPanel{src + rows * together * channels, rest, channels, wide, wide + widest});
  join(rest, wide, wide + widest);
}

void moments(const NormMoments::Problem& problem, const NormMoments::Args<float>& args) {
  for (std::int64_t n = 0; n < args.images; ++n)
    image_moments(args.src + n * problem.pixels * problem.channels, problem.pixels, problem.channels, args.moments + n * 2 * problem.channels);
}

}  // namespace
}  // namespace linn::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::kernels {
HWY_EXPORT(moments);

void norm::VectorMoments::run(const NormMoments::Problem& problem, const NormMoments::Args<float>& args) { HWY_DYNAMIC_DISPATCH(moments)(problem, args); }

}  // namespace linn::kernels
#endif
