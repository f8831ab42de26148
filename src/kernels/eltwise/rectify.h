// Rectifiers with arguments: Keras's ReLU(max_value, negative_slope, threshold), LeakyReLU and ELU(alpha).
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace linn::kernels {

/// dst = min(src, most) where src > threshold, else slope * (src - threshold); without a slope exactly 0. NaN propagates.
struct RectifyForward {
  static constexpr std::string_view name = "rectify_forward";
  struct Problem {
    double most = std::numeric_limits<double>::infinity();
    double slope = 0, threshold = 0;
    bool slope_at_kink = false;  // the derivative at the threshold: the slope (leaky relu) or 0
  };
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc = ddst where threshold < src <= most, 0 above, ddst * slope below; at the threshold as `slope_at_kink` says.
struct RectifyGradient {
  static constexpr std::string_view name = "rectify_gradient";
  using Problem = RectifyForward::Problem;
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    const T* ddst;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst = src where src > 0, else alpha * (exp(src) - 1). Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
/// exponential linear units", 2016.
struct EluForward {
  static constexpr std::string_view name = "elu_forward";
  struct Problem {
    double alpha = 1;
  };
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc = ddst where src > 0, else ddst * alpha * exp(src).
struct EluGradient {
  static constexpr std::string_view name = "elu_gradient";
  using Problem = EluForward::Problem;
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    const T* ddst;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::kernels
