// Batch normalization of rows of channels. The rows are the pixels of all images.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/eltwise/activation.h"

namespace linn::detail::kernels {

/// moments[n,0,c] = mean over the pixels of image n; moments[n,1,c] = sum of squared deviations from that mean. In double for each T.
/// Deviations are taken from a mean of some of the pixels, never as a difference of large squares, so that a variance that is small beside
/// the mean keeps its digits.
struct NormMoments {
  static constexpr std::string_view name = "norm_moments";
  struct Problem {
    std::int64_t pixels = 1, channels = 0;
    std::int64_t src_row = 0;  // pitch of the pixels in elements; 0: channels

    std::int64_t src_pitch() const { return src_row == 0 ? channels : src_row; }
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    double* moments;  // [images, 2, channels]
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// statistics[0,c] = mean, statistics[1,c] = biased variance over all images, for channels first <= c < last, from the moments of the
/// images, or from `src` if an image has one pixel. The order of the sums is fixed: the images of a shard in order, then pairwise along the
/// sum tree (core/tree.h). Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983. Allocates nothing.
struct NormStatistics {
  static constexpr std::string_view name = "norm_statistics";
  struct Problem {
    std::int64_t pixels = 1, channels = 0;
    std::int64_t shard = 8;  // images
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const double* moments;  // null: one pixel an image, in src
    const T* src;           // [images, channels], or null
    double* statistics;     // [2, channels]
    std::int64_t first, last;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[r,c] = activation((src[r,c] - mean[c]) * scale[c] + shift[c]). The difference is computed first: it is exact if src is close to the
/// mean, even if both are large.
struct NormForward {
  static constexpr std::string_view name = "norm_forward";
  struct Problem {
    std::int64_t channels = 0;
    Activation activation = Activation::linear;  // linear or relu
    // Pitches of the rows of src, of dst or ddst, of dsrc, in elements; 0: channels.
    std::int64_t src_row = 0, dst_row = 0, dsrc_row = 0;

    std::int64_t src_pitch() const { return src_row == 0 ? channels : src_row; }
    std::int64_t dst_pitch() const { return dst_row == 0 ? channels : dst_row; }
    std::int64_t dsrc_pitch() const { return dsrc_row == 0 ? channels : dsrc_row; }
    bool dense() const { return src_pitch() == channels && dst_pitch() == channels && dsrc_pitch() == channels; }
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* src;
    const T* coefficients;  // [3, channels]: mean, scale, shift
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// sums[0,c] = sum over rows of g[r,c], sums[1,c] = sum over rows of g[r,c] * (src[r,c] - mean[c]), where g = ddst, but 0 where relu set
/// the result of NormForward to 0. That result is computed again from src, which costs less than reading it. Overwrites sums. The order of
/// the sums depends only on the numbers of rows and channels.
struct NormGradientSums {
  static constexpr std::string_view name = "norm_gradient_sums";
  using Problem = NormForward::Problem;
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* src;
    const T* ddst;
    const T* coefficients;  // NormForward's
    T* sums;                // [2, channels]
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc[r,c] = g[r,c] * scale[c] + ((src[r,c] - mean[c]) * slope[c] + offset[c]), with g of NormGradientSums.
struct NormInputGradient {
  static constexpr std::string_view name = "norm_input_gradient";
  using Problem = NormForward::Problem;
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* src;
    const T* ddst;
    const T* coefficients;           // NormForward's
    const T* gradient_coefficients;  // [2, channels]: slope, offset; null: both 0
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
