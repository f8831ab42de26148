// Elements moved from one layout of an image to another; no arithmetic.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/geometry.h"
#include "linn/shape.h"

namespace linn::kernels {

/// A map copied between two memories with pitches of their own: dst[n, y, x, c] = src[n, y, x, c]. Concatenation, slices and crops are made of
/// it. src and dst do not overlap.
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

/// Axes of an image in another order: dst[i0, i1, ...] = src with index i_k on axis order[k]; axes count from 0, without the batch axis.
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

/// The shape of dst.
Shape permuted(const Permute::Problem& problem);
/// The order that undoes `order`.
Shape inverse_order(const Shape& order);

}  // namespace linn::kernels
