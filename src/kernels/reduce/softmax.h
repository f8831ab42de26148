// Functions that turn each row of scores into a distribution.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// | softmax     | exp(src - max) / sum                                                                              |
/// | log_softmax | src - max - log(sum), the logarithm of softmax                                                    |
/// | sparsemax   | max(src - t, 0), with t such that a row sums to 1: the nearest distribution, many of whose entries |
/// |             | are 0. Martins and Astudillo, "From softmax to sparsemax", ICML 2016                              |
enum class SoftmaxKind : std::uint8_t { softmax, log_softmax, sparsemax };

/// dst[r, :] = kind(src[r, :]). A NaN makes its row NaN, and so does +infinity.
struct SoftmaxForward {
  static constexpr std::string_view name = "softmax_forward";
  struct Problem {
    std::int64_t classes = 0;
    SoftmaxKind kind = SoftmaxKind::softmax;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// With y the forward result:
///   softmax      dsrc = y (ddst - sum(ddst y))
///   log_softmax  dsrc = ddst - exp(y) sum(ddst)
///   sparsemax    dsrc = ddst - mean of ddst over the entries with y > 0, for these entries; 0 for the others
struct SoftmaxGradient {
  static constexpr std::string_view name = "softmax_gradient";
  using Problem = SoftmaxForward::Problem;
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* dst;  // the forward result
    const T* ddst;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
