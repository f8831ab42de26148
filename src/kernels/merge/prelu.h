// Leaky relu whose slope is learned: He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/merge/merge.h"

namespace linn::kernels {

/// dst = src where src > 0, else alpha * src. alpha is one image, the same for all images, and repeated along the axes that share it.
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

/// dsrc = ddst where src > 0, ddst * alpha where src < 0, 0 where src = 0 (Keras on TensorFlow has it so);
/// dalpha = the sum of ddst * src over the negative src of all images that share the slope, in row-major order.
/// Overwrites both, of which each may be null.
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

}  // namespace linn::kernels
