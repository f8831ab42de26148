// NormMoments: mean and sum of squared deviations of each channel of an image.
//
// Loop nest:  for each panel of at most 4 vectors of columns: the mean of the first 16 rows; then, block by block, for each row its
//             deviation d from the mean of all rows before the block (in the first block: from the block's mean): sums of d and d * d.
//             Blocks are joined in double. Rows of few channels are read as wide rows (wide-inl.h), whose pixels are joined at the end.
// Error:      let D be the difference between the mean of a block of P rows and the mean of the n rows before it, and M the block's own sum
//             of squares. The block sums P D^2 + M; the join adds M + D^2 n P / (n + P) to the result. As P <= 4 n, the sum is at most 5
//             times the added value, and so is its error.
// Registers:  12 values, 4 of them fixed.
// Measured (Zen 4, AVX-512, one core, 8 maps of 26x26x32, memcpy of the same run 120 GB/s): 174 GB/s read; small maps are bound by joins.
#include "kernels/norm/vector.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm/moments.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/norm/join.h"
#include "kernels/norm/wide-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {
namespace {

constexpr std::int64_t first_rows = 16;
constexpr std::int64_t most_rows = 128;

template <int kVectors, bool kTail>
HWY_INLINE void column_means(const float* src, std::int64_t rows, std::int64_t pitch, std::int64_t last, float* mean) {
  V sum[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(D());
  for (std::int64_t r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Add(sum[v], LoadVector<kTail>(src + r * pitch, v, kVectors, last));
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) hn::StoreU(hn::Div(sum[v], hn::Set(D(), static_cast<float>(rows))), D(), mean + v * lanes);
}

// Sums of the deviations from `mean`, and of their squares.
template <int kVectors, bool kTail>
HWY_INLINE void sum_deviations(const float* src, std::int64_t rows, std::int64_t pitch, std::int64_t last, const float* mean, float* sum,
                               float* squares) {
  V m[kVectors], s[kVectors], q[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) m[v] = hn::LoadU(D(), mean + v * lanes), s[v] = q[v] = hn::Zero(D());
  for (std::int64_t r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const V d = hn::Sub(LoadVector<kTail>(src + r * pitch, v, kVectors, last), m[v]);
      s[v] = hn::Add(s[v], d);
      q[v] = hn::MulAdd(d, d, q[v]);
    }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) hn::StoreU(s[v], D(), sum + v * lanes), hn::StoreU(q[v], D(), squares + v * lanes);
}

// Writes the moments of rows with this pitch to mean and squares.
struct MomentsPanel {
  const float* src;
  std::int64_t rows, pitch;
  double* mean;
  double* squares;

  template <int kVectors, bool kTail>
  HWY_NOINLINE void run(std::int64_t first, std::int64_t last) const {
    constexpr std::int64_t most = kVectors * lanes;
    float shift[most] = {}, sum[most], block_squares[most];
    double other_mean[most], other_squares[most];
    const std::int64_t columns = kTail ? most - lanes + last : most;
    column_means<kVectors, kTail>(src + first, std::min(first_rows, rows), pitch, last, shift);
    for (std::int64_t r = 0, count = 0; r < rows; r += count) {
      count = std::min(rows - r, r == 0 ? first_rows : std::min(4 * r, most_rows));
      sum_deviations<kVectors, kTail>(src + r * pitch + first, count, pitch, last, shift, sum, block_squares);
      const double share = 1 / static_cast<double>(count);
      for (std::int64_t c = 0; c < columns; ++c) {
        const double d = static_cast<double>(sum[c]);
        other_mean[c] = static_cast<double>(shift[c]) + d * share;
        other_squares[c] = static_cast<double>(block_squares[c]) - d * d * share;
      }
      norm::join_moments(columns, r, mean + first, squares + first, count, other_mean, other_squares);
      for (std::int64_t c = 0; c < columns; ++c) shift[c] = static_cast<float>(mean[first + c]);
    }
  }
};

void image_moments(const float* src, std::int64_t pixels, std::int64_t channels, std::int64_t pitch, double* moments) {
  double* mean = moments;
  double* squares = moments + channels;
  std::fill_n(moments, 2 * channels, 0.0);
  const std::int64_t together = pitch == channels ? pixels_in_a_row(channels) : 1;
  const std::int64_t rows = pixels / together, rest = pixels % together;
  if (together == 1) return for_each_panel<4>(channels, MomentsPanel{src, pixels, pitch, mean, squares});
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
    image_moments(args.src + n * problem.pixels * problem.src_pitch(), problem.pixels, problem.channels, problem.src_pitch(),
                  args.moments + n * 2 * problem.channels);
}

}  // namespace
}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace linn::detail::kernels {
HWY_EXPORT(moments);

void norm::VectorMoments::run(const NormMoments::Problem& problem, const NormMoments::Args<float>& args) {
  HWY_DYNAMIC_DISPATCH(moments)(problem, args);
}

}  // namespace linn::detail::kernels
#endif
