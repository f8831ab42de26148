// Filters that differ from pixel to pixel: each output has the weights of its own window.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/geometry.h"

namespace linn::detail::kernels {

/// dst[n,y,x,c] = sum over i, j of weights[n,y,x,g,i * window_width + j] src[n, y*sh + i, x*sw + j, c] with g = c / (channels / groups).
/// src includes its padding: the geometry has no pads and no dilation, its maps are dense, and channels == out_channels. `groups` of
/// the geometry counts the groups of channels that share a filter.
struct PixelFilterForward {
  static constexpr std::string_view name = "pixel_filter_forward";
  struct Problem {
    Geometry geometry;

    std::int64_t taps() const { return geometry.window_height * geometry.window_width; }
    std::int64_t group_channels() const { return geometry.channels / geometry.groups; }
    /// Of one output pixel.
    std::int64_t weights() const { return geometry.groups * taps(); }
    std::int64_t out_pixels() const { return geometry.out_height * geometry.out_width; }
    std::int64_t src_elements() const { return geometry.height * geometry.width * geometry.channels; }
    /// The first element of tap (i, j) of the window of output (y, x), in an image.
    std::int64_t cell(std::int64_t y, std::int64_t x, std::int64_t i, std::int64_t j) const {
      return ((y * geometry.stride_height + i) * geometry.width + x * geometry.stride_width + j) * geometry.channels;
    }
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* weights;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc = for each cell the sum, over the outputs whose window contains it, of ddst times the weight of its tap; dweights[..,g,t] = the sum
/// over the group's channels of ddst times the cell of tap t. Overwrites both.
struct PixelFilterGradient {
  static constexpr std::string_view name = "pixel_filter_gradient";
  using Problem = PixelFilterForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* weights;
    const T* ddst;
    T* dsrc;
    T* dweights;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
