// Matrix products of fully connected layers. All matrices are row-major and dense.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/eltwise/activation.h"

namespace linn::detail::kernels {

/// dst[r,o] = activation(bias[o] + sum over i of src[r,i] * kernel[i,o]), kernel [inputs, outputs].
/// The input gradient is this kernel too, with the transposed kernel and no bias.
struct DenseForward {
  static constexpr std::string_view name = "dense_forward";
  struct Problem {
    std::int64_t inputs = 0, outputs = 0;
    bool bias = false;
    Activation activation = Activation::linear;  // linear, relu or relu6; others are refused
    /// Elements from a row of kernel and dst to the next; 0: outputs. More only for implementations that read the caller's kernel: then a
    /// call computes some columns of dst alone, with the bits of the whole.
    std::int64_t row = 0;

    std::int64_t pitch() const { return row == 0 ? outputs : row; }
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* src;
    const T* kernel;
    const T* packed;  // the weights in the implementation's own layout, if it has one
    const T* bias;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dkernel[i,o] = sum over rows of src[r,i] * ddst[r,o] for inputs first <= i < last. A call computes only this slice, so that workers can
/// share a large kernel. Overwrites rows first..last-1 of dkernel.
/// The order of the sum is fixed, so that every cut into slices gives the same bits: first the rows of each shard of `shard` rows in order,
/// then the shard sums pairwise along the sum tree (core/tree.h).
struct DenseKernelGradient {
  static constexpr std::string_view name = "dense_kernel_gradient";
  struct Problem {
    std::int64_t inputs = 0, outputs = 0;
    std::int64_t shard = 8;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* src;
    const T* ddst;
    T* dkernel;
    std::int64_t first, last;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[b,j,i] = src[b,i,j]: swaps the last two axes of [batches, rows, columns].
struct TransposeKernel {
  static constexpr std::string_view name = "transpose_kernel";
  struct Problem {
    std::int64_t batches = 1, rows = 0, columns = 0;
  };
  template <class T>
  struct Args {
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// dst[c] = sum over rows of src[r,c], rows in order: the gradient of a bias.
struct ColumnSum {
  static constexpr std::string_view name = "column_sum";
  struct Problem {
    std::int64_t columns = 0;
    std::int64_t row = 0;  // elements from a row to the next; 0: columns

    std::int64_t pitch() const { return row == 0 ? columns : row; }
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* src;
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
