// Binomial blur of NHWC maps, each channel alone: Zhang's anti-aliasing filter (arXiv 1904.11486).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "kernels/geometry.h"

namespace linn::kernels {

/// Most taps along an axis.
inline constexpr std::int64_t most_blur_taps = 7;

/// The first `taps` are row taps - 1 of Pascal's triangle, made to sum up to 1: 1 2 1 is 0.25 0.5 0.25. Exact in float, as are products of
/// two.
std::array<float, most_blur_taps> blur_weights(std::int64_t taps);

/// dst[n,y,x,c] = sum over i, j of w[i] w[j] src[n, y*sh + i, x*sw + j, c] with binomial w of window_height and window_width taps. The map
/// is padded already: the geometry has neither pads nor dilation nor groups, 1 to 7 taps, dense pixels and channels == out_channels.
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

/// Each output's gradient, times the taps' weights, goes to the pixels it saw. Overwrites dsrc.
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

}  // namespace linn::kernels
