// Pooling on NHWC maps: one value for each window and channel.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/geometry.h"

namespace linn::detail::kernels {

enum class PoolKind : std::uint8_t { max, average };

/// max: the largest value of the window's cells inside the map; NaN if one is NaN.
/// average: the mean of the window's cells inside the map (as in Keras, divided by their number, not by the window's size).
/// A window without a cell inside the map, which dilation makes possible, gives -inf (max) or 0 (average), argmax 0, and no gradient.
/// `argmax` (max only, if Problem::argmax) is the first cell with the maximum in row-major order, or the first cell with NaN, as
/// i * window_width + j. One byte holds it for windows of at most 256 cells; for larger ones the reference writes `wide_argmax`.
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

/// max: each window's gradient goes to its argmax cell (as in Keras, the first maximum takes all).
/// average: each window's gradient goes in equal parts to its cells inside the map.
/// Overwrites dsrc. Gradients of overlapping windows are added in row-major order of the outputs, unless an implementation states another
/// order (vector.h). `argmax` must come from a forward call: implementations rely on overlapping windows naming the same first maximum of
/// the cells that they share.
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

/// One value for each channel of a whole map: [images, pixels, channels] -> [images, channels]. If the maximum is a zero, it is +0 whatever
/// the signs of the zeros, so that the bits do not depend on the order of pixels.
struct GlobalPoolForward {
  static constexpr std::string_view name = "global_pool_forward";
  struct Problem {
    std::int64_t pixels = 0, channels = 0;
    PoolKind kind = PoolKind::max;
  };
  /// A mean is not: it is summed in the order of pixels.
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

/// max: the pixels that equal the maximum share the gradient equally, as in Keras's reduce_max; if the maximum is NaN, the pixels with
/// NaN do.
/// average: each pixel gets ddst / pixels. Overwrites dsrc.
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

}  // namespace linn::detail::kernels
