// Sums over the rows of a batch: losses and metrics. A row is a sample, or one position of a sample.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace linn::detail::kernels {

/// *sum = share * sum over images i and their rows r of values[i,r] * weight[i], in double and in this order.
struct RowSum {
  static constexpr std::string_view name = "row_sum";
  struct Problem {
    std::int64_t rows = 1;  // of an image
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* values;      // [images, rows]
    const T* weight;      // [images], or null: 1
    const double* share;  // or null: 1
    double* sum;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// The gradient of factor * RowSum / rows of the batch by each row: dvalues[i,r] = factor * share * weight[i] / rows of the batch.
struct RowSumGradient {
  static constexpr std::string_view name = "row_sum_gradient";
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

/// Adds the rows of a batch, in their order and in double, to the totals of a mean:
/// totals[0] += values[i,r] * weight[i], totals[1] += weight[i].
struct MeanTotals {
  static constexpr std::string_view name = "mean_totals";
  struct Problem {
    std::int64_t rows = 1;  // of an image
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const T* values;  // [images, rows]
    const T* weight;  // [images], or null: 1
    double* totals;   // [2]
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// How the losses l of the rows of a batch, with their weights w, become one number: sum of l w / rows, sum of l w, sum of l w / sum of w.
enum class LossReduction : std::uint8_t { mean, sum, weighted_mean };

/// *share: the mean over all rows times this is what the reduction gives. A row is left out if its label is `ignored`, or, with
/// `leaves_out_zeros`, if its loss is 0.
///
/// | mean          | rows / rows that are not left out; 0 where all are              |
/// | sum           | rows; with `once`, for a batch without weights, rows of an image |
/// | weighted_mean | rows / sum of the weights of rows that are not left out; likewise |
struct LossShare {
  static constexpr std::string_view name = "loss_share";
  struct Problem {
    LossReduction reduction = LossReduction::mean;
    std::int64_t rows = 1;  // of an image
    std::optional<std::int64_t> ignored = {};
    bool leaves_out_zeros = false;
    bool once = false;  // the images of a batch share their loss
  };
  template <class T>
  struct Args {
    std::int64_t images;
    const std::int64_t* labels;  // [images, rows]; read where a label is ignored
    const T* values;             // [images, rows]; read where zeros are left out
    const T* weight;             // [images], or null: 1
    double* share;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
