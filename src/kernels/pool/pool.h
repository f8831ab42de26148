// Pooling on NHWC maps: one value for each window and channel.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/geometry.h"

namespace linn::kernels {

enum class PoolKind : std::uint8_t { max, average };

/// max: the largest value of the window that lies in the map; NaN if any is NaN; -inf if all are -inf.
/// average: the mean of the values that lie in the map (Keras divides by the valid cells, not by the window).
/// A window without a cell in the map (a dilated one may straddle a small map): -inf, average 0, argmax 0, no gradient.
/// `argmax`, when asked for, is the cell of the first maximum in row-major order (of the first NaN if there is one),
/// counted i * window_width + j over the whole window. One byte holds it for windows of at most 256 cells; larger ones
/// write `wide_argmax` instead (reference only). With average there is none.
struct PoolForward {
  static constexpr std::string_view name = "pool_forward";
  struct Problem {
    Geometry geometry;  // channels == out_channels
    PoolKind kind = PoolKind::max;
    bool argmax = false;
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    T* dst;
    std::uint8_t* argmax;       // [images, out_height, out_width, channels], or null
    std::int32_t* wide_argmax;  // the same for windows of more than 256 cells, or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// max: each window's gradient goes to its argmax (the first maximum takes all, as in Keras);
/// average: in equal parts to its cells in the map. Overwrites dsrc; overlapping windows add, in row-major order of outputs (an
/// implementation may say otherwise: vector.h). The argmax must be one that the forward kernel wrote for some map: implementations use
/// that windows agree on the first maximum of what they share.
struct PoolInputGradient {
  static constexpr std::string_view name = "pool_input_gradient";
  using Problem = PoolForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;
    const std::uint8_t* argmax;  // as the forward call wrote it; null for average
    const std::int32_t* wide_argmax;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// One value for each channel of a whole map, [images, pixels, channels] -> [images, channels]. A maximum of zeros is 0 whatever their
/// signs: which comes first must not show in the bits.
struct GlobalPoolForward {
  static constexpr std::string_view name = "global_pool_forward";
  struct Problem {
    std::int64_t pixels = 0, channels = 0;
    PoolKind kind = PoolKind::max;
  };
  /// A mean is summed in the order of pixels.
  static bool reference_position_invariant(const Problem& problem) { return problem.kind == PoolKind::max; }
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// max: pixels that equal the maximum (all NaN, if it is NaN) share the gradient equally (Keras's reduce_max does, unlike its windows);
/// average: every pixel gets ddst / pixels. Overwrites dsrc.
struct GlobalPoolInputGradient {
  static constexpr std::string_view name = "global_pool_input_gradient";
  using Problem = GlobalPoolForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;   // max only
    const T* dst;   // max only: the forward result
    const T* ddst;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::kernels
