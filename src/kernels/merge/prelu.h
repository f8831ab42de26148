// PReLU, a leaky relu with learned slopes: He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/merge/merge.h"

namespace linn::detail::kernels {

/// dst = src where src > 0, else alpha * src. alpha has the shape of one image (1 along the axes that share a slope) and is the same for
/// all images.
struct PReluForward {
  static constexpr std::string_view name = "prelu_forward";
  struct Problem {
    Broadcast broadcast;  // of {src's image, alpha}
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* alpha;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc = ddst where src > 0, ddst * alpha where src < 0, 0 where src = 0 (as in Keras on TensorFlow).
/// dalpha = sum of ddst * src over all negative src of all images that share the slope, in row-major order.
/// Overwrites both outputs. Each may be null.
struct PReluGradient {
  static constexpr std::string_view name = "prelu_gradient";
  using Problem = PReluForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* alpha;
    const T* ddst;
    T* dsrc;
    T* dalpha;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
