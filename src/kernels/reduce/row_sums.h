// Sums over the rows of a batch: losses and counts of metrics. A row is a sample, or one position of a sample.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::detail::kernels {

/// sums[k] = share * sum over images i and their rows r of values[i,r,k] * weight[i], in double and in this order.
struct RowSums {
  static constexpr std::string_view name = "row_sums";
  struct Problem {
    std::int64_t rows = 1;    // of an image
    std::int64_t counts = 1;  // of a row
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* values;      // [images, rows, counts]
    const T* weight;      // [images], or null: 1
    const double* share;  // or null: 1
    double* sums;         // [counts]
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// The gradient of factor * RowSums / rows of the batch by each row: dvalues[i,r] = factor * share * weight[i] / rows of the batch.
struct RowSumsGradient {
  static constexpr std::string_view name = "row_sums_gradient";
  struct Problem {
    std::int64_t rows = 1;  // of an image
    double factor = 1;
  };
  template <class T>
  struct Args {
    std::int64_t images;  // of this call
    std::int64_t batch;   // images in all
    const T* weight;      // [images], or null: 1
    const double* share;  // or null: 1
    T* dvalues;           // [images, rows]
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// *share = rows / rows whose label is not `ignored`: the mean over these is the mean over all times this. Keras's epsilon of 1e-7 is added
/// to the divisor, so that a batch in which all rows are ignored has loss 0.
struct ShareOfOthers {
  static constexpr std::string_view name = "share_of_others";
  struct Problem {
    std::int64_t ignored = 0;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const std::int64_t* labels;
    double* share;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
