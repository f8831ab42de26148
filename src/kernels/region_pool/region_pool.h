// Maxima of regions whose borders are given with each call, and the way back from maxima to their places.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// The regions of one axis: cell i of the output sees cells [first[i], last[i]) of the input.
struct Regions {
  const std::int32_t* first;
  const std::int32_t* last;
};

/// dst [images, out_height, out_width, channels] of src [images, height, width, channels]: the maximum of each region, with its place row *
/// width + column. Of equal maxima the first in row-major order wins, as in TensorFlow and PyTorch; a NaN wins over all numbers. No region
/// is empty.
struct RegionMaxForward {
  static constexpr std::string_view name = "region_max_forward";
  struct Problem {
    std::int64_t height = 0, width = 0, channels = 0;
    std::int64_t out_height = 0, out_width = 0;

    std::int64_t src_elements() const { return height * width * channels; }
    std::int64_t dst_elements() const { return out_height * out_width * channels; }
  };
  template <class T>
  struct Args {
    std::int64_t images;
    Regions rows, columns;  // the same for all images
    const T* src;
    T* dst;
    std::int32_t* argmax;  // [images, out_height, out_width, channels], or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[n, places[n,i,c], c] = the sum of src[n,i,c] over the cells i with this place, in their order; 0 where no cell has it. Places are
/// whole numbers as reals, row * width + column of a map of `pixels` pixels; others are left out.
struct UnpoolForward {
  static constexpr std::string_view name = "unpool_forward";
  struct Problem {
    std::int64_t cells = 0, pixels = 0, channels = 0;  // cells of src, pixels of dst
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* places;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dsrc[n,i,c] = ddst[n, places[n,i,c], c]; 0 where the place is left out. Overwrites dsrc.
struct UnpoolInputGradient {
  static constexpr std::string_view name = "unpool_input_gradient";
  using Problem = UnpoolForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* ddst;
    const T* places;
    T* dsrc;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
