// Elements moved from one layout of an image to another; no arithmetic.
#pragma once

#include <cstdint>
#include <string_view>

#include "linn/shape.h"

namespace linn::kernels {

/// Rows copied between two memories with pitches of their own: dst[n * dst_image + r * dst_row + i] = src[n * src_image + r * src_row + i]
/// for images n, rows r and elements i of a row. Concatenation, slices and crops are made of it. src and dst do not overlap.
struct CopyRows {
  static constexpr std::string_view name = "copy_rows";
  struct Problem {
    std::int64_t rows = 1, row = 0;  // rows of an image, elements of a row
    std::int64_t src_row = 0, src_image = 0, dst_row = 0, dst_image = 0;
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
