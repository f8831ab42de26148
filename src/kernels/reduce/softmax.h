// Softmax over the last axis.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::kernels {

/// dst[r,c] = exp(src[r,c] - max) / sum; log: its logarithm, src - max - log(sum).
struct SoftmaxForward {
  static constexpr std::string_view name = "softmax_forward";
  struct Problem {
    std::int64_t classes = 0;
    bool log = false;
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

/// From the forward result y: softmax dsrc = y (ddst - sum(ddst y)); log_softmax dsrc = ddst - exp(y) sum(ddst).
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

}  // namespace linn::kernels
