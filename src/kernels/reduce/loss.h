// Losses and metrics of rows, with the gradients of losses. A row is a sample, or one position of a sample.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/reduce/row_function.h"

namespace linn::detail::kernels {

/// The kind of the predictions. Probabilities follow Keras: p /= sum(p), clipped to [1e-7, 1 - 1e-7], then -log; the gradient is 0 where p
/// is clipped.
enum class Prediction : std::uint8_t { probabilities, logits };

/// loss[r] = -sum over c of q[c] log p[c], where q is the one-hot of labels[r], or targets[r,:] when labels is null, smoothed:
/// q <- q (1 - smoothing) + smoothing / classes. dprediction[r,c] = upstream[r] * d loss[r] / d prediction[r,c].
/// Rows whose label is `ignored` have loss 0 and gradient 0.
struct Crossentropy {
  static constexpr std::string_view name = "crossentropy";
  struct Problem {
    std::int64_t classes = 0;
    Prediction prediction = Prediction::probabilities;
    double smoothing = 0;
    std::optional<std::int64_t> ignored = {};

    bool ignores(const std::int64_t* labels, std::int64_t row) const { return ignored && labels != nullptr && labels[row] == *ignored; }
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* prediction;
    const std::int64_t* labels;  // each in [0, classes) or `ignored`; or null
    const T* targets;            // [rows, classes], when labels is null
    const T* upstream;           // [rows]: the gradient of the loss; read for dprediction only
    T* loss;                     // [rows], or null
    T* dprediction;              // or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// A loss given by a function of one element or one row (row_function.h).
struct RowLoss {
  static constexpr std::string_view name = "row_loss";
  struct Problem {
    std::int64_t width = 0;
    LossFunction function = {};
  };
  template <class T>
  using Args = RowLossArgs<T>;
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args) {
    problem.function.run(problem.width, args);
  }
};

/// A metric's number of each row, given by a function of one row (row_function.h).
struct RowMetric {
  static constexpr std::string_view name = "row_metric";
  struct Problem {
    std::int64_t width = 0;
    MetricFunction function = {};
  };
  template <class T>
  using Args = RowMetricArgs<T>;
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args) {
    problem.function.run(problem.width, args);
  }
};

/// Adds the rows of a batch, in their order, to the totals of a metric, given by a function of one row (row_function.h).
struct RowTotals {
  static constexpr std::string_view name = "row_totals";
  struct Problem {
    std::int64_t width = 0;
    TotalsFunction function = {};
  };
  template <class T>
  using Args = RowTotalsArgs<T>;
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args) {
    problem.function.run(problem.width, args);
  }
};

}  // namespace linn::detail::kernels
