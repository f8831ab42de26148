// Kernels that compute each element of the output from one element of each input.
#pragma once

#include <cstdint>
#include <string_view>

#include "linn/tensor.h"

namespace linn::detail::kernels {

/// dst[r,i] = src[row,i] with row = index[r], or first + r if index is null; converted from any dtype. The first op of every plan:
/// it copies a batch out of the data set, so that the data set itself is never converted to float.
struct Gather {
  static constexpr std::string_view name = "gather";
  struct Problem {
    std::int64_t row = 0;  // elements of a row
    DType from = DType::f32;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const void* src;
    const std::int64_t* index;  // null: consecutive rows
    std::int64_t first;         // index[first + r], or source row first + r
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[r,k] = src[row,k] as a number of 64 bits, with the row as in Gather. Labels are checked once, when `fit` is called; here they are only
/// converted. bfloat16 is refused then.
struct GatherLabels {
  static constexpr std::string_view name = "gather_labels";
  struct Problem {
    std::int64_t row = 1;  // labels of a row
    DType from = DType::i64;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const void* src;
    const std::int64_t* index;  // null: consecutive rows
    std::int64_t first;         // index[first + r], or source row first + r
    std::int64_t* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[i] = src[i], numbers that the plan holds, rounded to T.
struct Constants {
  static constexpr std::string_view name = "constants";
  struct Problem {};
  template <class T>
  struct Args {
    std::int64_t count;
    const double* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[i] = src[i] * scale + offset. The gradient is the same kernel with offset 0.
struct Rescale {
  static constexpr std::string_view name = "rescale";
  struct Problem {
    double scale = 1, offset = 0;
  };
  template <class T>
  struct Args {
    std::int64_t count;
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[i] = a[i] + b[i]; dst may be a.
struct Add {
  static constexpr std::string_view name = "add";
  struct Problem {};
  template <class T>
  struct Args {
    std::int64_t count;
    const T* a;
    const T* b;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[i] = random(seed, stream, first + i) < rate ? 0 : src[i] / (1 - rate). The gradient is the same call on ddst: the mask is
/// computed again from the counter and never stored.
struct Dropout {
  static constexpr std::string_view name = "dropout";
  struct Problem {
    double rate = 0;
  };
  template <class T>
  struct Args {
    std::int64_t count;
    std::uint64_t seed, stream, first;  // core::Random(seed, stream).uniform(first + i)
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
