// Batch normalization over rows of channels: the pixels of all images, one after the other, channels last.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/eltwise/activation.h"

namespace linn::kernels {

/// moments[n,0,c] = the mean over the pixels of image n; moments[n,1,c] = the sum of squared deviations from that mean.
/// Deviations are taken from a mean of pixels close by, never as a difference of large squares, so that a variance that is small
/// next to the mean keeps its digits. In double, whatever T is.
struct NormMoments {
  static constexpr std::string_view name = "norm_moments";
  struct Problem {
    std::int64_t pixels = 1, channels = 0;
    std::int64_t src_row = 0;  // elements from a pixel to the next; 0: channels

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
/// images, or from `src` where an image has one pixel. The order of the sums is fixed: inside a shard in image order, then pairwise up
/// the tree of core/tree.h. Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983. Allocates nothing.
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

/// dst[r,c] = activation((src[r,c] - mean[c]) * scale[c] + shift[c]). The difference comes first: it is exact where src is close to
/// the mean, however large both are.
struct NormForward {
  static constexpr std::string_view name = "norm_forward";
  struct Problem {
    std::int64_t channels = 0;
    Activation activation = Activation::linear;  // linear or relu
    // Elements from a row of src, of dst or ddst, of dsrc to the next; 0: channels.
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

/// With g = ddst, or after relu ddst where NormForward's result is above 0 and else 0 (computed anew from src: it costs less than
/// reading it): sums[0,c] = sum over rows of g[r,c], sums[1,c] = sum over rows of g[r,c] * (src[r,c] - mean[c]). Overwrites sums.
/// Terms are added in an order that depends on the number of rows and channels alone.
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

/// dsrc[r,c] = g[r,c] * scale[c] + ((src[r,c] - mean[c]) * slope[c] + offset[c]), g as in NormGradientSums.
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

}  // namespace linn::kernels
