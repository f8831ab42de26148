// Binomial blur of NHWC maps, channel by channel: Zhang's anti-aliasing filter (arXiv 1904.11486).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "kernels/geometry.h"

namespace linn::detail::kernels {

/// Largest number of taps along an axis.
inline constexpr std::int64_t most_blur_taps = 7;

/// Binomial weights: the first `taps` elements are row taps - 1 of Pascal's triangle, scaled to the sum 1 (3 taps: 0.25 0.5 0.25). They and
/// the products of two of them are exact in float.
std::array<float, most_blur_taps> blur_weights(std::int64_t taps);

/// dst[n,y,x,c] = sum over i, j of w[i] w[j] src[n, y*sh + i, x*sw + j, c] with binomial w of window_height and window_width taps. src
/// includes its padding: the geometry has no pads, no dilation, no groups, 1 to 7 taps, dense pixels, and channels == out_channels.
struct BlurForward {
  static constexpr std::string_view name = "blur_forward";
  struct Problem {
    Geometry geometry;
  };
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

/// dsrc = for each pixel the sum over outputs whose window contains it of ddst times the weight of its tap. Overwrites dsrc.
struct BlurInputGradient {
  static constexpr std::string_view name = "blur_input_gradient";
  using Problem = BlurForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
