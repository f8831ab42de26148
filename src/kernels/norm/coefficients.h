// What a normalization computes once for each channel, not for each pixel: from statistics to what NormForward multiplies and adds, and back from
// its gradients. None of these kernels needs scratch.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// coefficients = {mean, gamma / sqrt(variance + epsilon), beta - rest of the mean * that scale} of NormForward, for channels
/// first <= c < last. The rest is what the mean loses when it is rounded to T, so that a mean far above the deviation loses no digits.
struct NormCoefficients {
  static constexpr std::string_view name = "norm_coefficients";
  struct Problem {
    std::int64_t channels = 0;
    double epsilon = 0;
  };
  template <class T>
  struct Args {
    double* statistics;  // [2, channels]: mean, variance
    /// Moving statistics, which are copied into `statistics` first; null: these are there already.
    const T* mean;
    const T* variance;
    const T* gamma;   // or null: 1
    const T* beta;    // or null: 0
    T* coefficients;  // [3, channels]
    std::int64_t first, last;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// mean = momentum * mean + (1 - momentum) * batch mean; the same for the variance.
struct MovingStatistics {
  static constexpr std::string_view name = "moving_statistics";
  struct Problem {
    std::int64_t channels = 0;
    double momentum = 0;
  };
  template <class T>
  struct Args {
    const double* statistics;  // [2, channels]: mean, variance of the batch
    T* mean;
    T* variance;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// From the sums of NormGradientSums over the batch to gradients. With x^ = (x - mean) / deviation and g the gradient of the result:
/// d beta = sum of g, d gamma = sum of g x^, d x = scale (g - (d beta + x^ d gamma) / count). Ioffe and Szegedy, "Batch normalization",
/// ICML 2015, section 3.
struct NormGradientCoefficients {
  static constexpr std::string_view name = "norm_gradient_coefficients";
  struct Problem {
    std::int64_t channels = 0;
    double epsilon = 0;
  };
  template <class T>
  struct Args {
    std::int64_t count;         // of pixels in the batch
    const T* sums;              // [2, channels]
    const double* statistics;   // [2, channels]: mean, variance
    const T* coefficients;      // NormForward's
    T* gradient_coefficients;   // [2, channels]: slope and offset of NormInputGradient; or null
    T* dgamma;                  // or null
    T* dbeta;                   // or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// The coefficients of NormForward that standardize by given statistics: (x - mean) / max(sqrt(variance), 1e-7), as Keras's Normalization
/// does, or, inverted, back.
struct StandardCoefficients {
  static constexpr std::string_view name = "standard_coefficients";
  struct Problem {
    std::int64_t channels = 0;
    bool invert = false;
  };
  template <class T>
  struct Args {
    const T* mean;
    const T* variance;
    T* coefficients;  // [3, channels]
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// A normalization folded into the kernel and bias before it: folded = kernel * scale, folded_bias = (bias - mean) * scale + shift.
struct FoldNorm {
  static constexpr std::string_view name = "fold_norm";
  struct Problem {
    std::int64_t channels = 0;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* kernel;        // [rows, channels]
    const T* bias;          // [channels] or null: 0
    const T* coefficients;  // NormForward's
    T* folded;              // [rows, channels]
    T* folded_bias;         // [channels], or null: not wanted
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
