// Kernels that move elements from one layout to another, without arithmetic.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/geometry.h"
#include "linn/shape.h"

namespace linn::detail::kernels {

/// Copies a map between two arrays with separate pitches: dst[n, y, x, c] = src[n, y, x, c]. Used for concatenation, slices and crops. src
/// and dst must not overlap.
struct CopyMap {
  static constexpr std::string_view name = "copy_map";
  struct Problem {
    std::int64_t height = 1, width = 1, channels = 0;
    Pitches src, dst;
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

/// Permutes the axes of images: dst[i0, i1, ...] = src with index i_k on axis order[k]. Axes count from 0, without the batch axis.
struct Permute {
  static constexpr std::string_view name = "permute";
  struct Problem {
    Shape src;    // of an image
    Shape order;  // dst's axis k is src's axis order[k]
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

/// The shape of dst's images.
Shape permuted(const Permute::Problem& problem);
/// The inverse permutation of `order`.
Shape inverse_order(const Shape& order);

}  // namespace linn::detail::kernels
