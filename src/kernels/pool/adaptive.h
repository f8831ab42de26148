// Pooling to a map of a given size. Windows differ in size if the output's size does not divide the input's.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/pool/pool.h"

namespace linn::detail::kernels {

/// One axis. The window of output cell `at` is [first, last) of the input: floor(at * size / out) to ceil((at + 1) * size / out).
struct AdaptiveAxis {
  std::int64_t size = 1, out = 1;

  std::int64_t first(std::int64_t at) const { return at * size / out; }
  std::int64_t last(std::int64_t at) const { return ((at + 1) * size + out - 1) / out; }
};

/// dst [images, out_height, out_width, channels] of src [images, height, width, channels]: the mean of each window, or its maximum with the
/// pixel that holds it. Of equal maxima the one in the first column wins, in it the one in the first row, as in Keras on TensorFlow; a NaN
/// wins over all numbers.
struct AdaptivePoolForward {
  static constexpr std::string_view name = "adaptive_pool_forward";
  struct Problem {
    std::int64_t height = 0, width = 0, channels = 0;
    std::int64_t out_height = 0, out_width = 0;
    PoolKind kind = PoolKind::max;

    AdaptiveAxis rows() const { return {height, out_height}; }
    AdaptiveAxis columns() const { return {width, out_width}; }
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    T* dst;
    std::int32_t* argmax;  // [images, out_height, out_width, channels]: row * width + column; or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// max: dsrc[p] = sum of ddst over the windows whose argmax is p. average: dsrc[p] = sum of ddst / cells over the windows that contain p.
/// Both in row-major order of the windows. Overwrites dsrc.
struct AdaptivePoolInputGradient {
  static constexpr std::string_view name = "adaptive_pool_input_gradient";
  using Problem = AdaptivePoolForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;
    const std::int32_t* argmax;  // max only
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
