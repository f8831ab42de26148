// Losses and metrics of one row (a sample, or one position of it), with the gradient of the loss.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/reduce/row_function.h"

namespace linn::kernels {

/// What `prediction` holds. For `probabilities` Keras's rule: p /= sum(p), clip to [1e-7, 1 - 1e-7], -log; the gradient is 0
/// where the clip holds.
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

/// A loss given by a function of one element or of one row: see RowFunction.
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

/// The numbers of a metric, a few for each row, given by a function of one row: see RowFunction.
struct RowCounts {
  static constexpr std::string_view name = "row_counts";
  struct Problem {
    std::int64_t width = 0;
    CountFunction function = {};
  };
  template <class T>
  using Args = RowCountsArgs<T>;
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args) {
    problem.function.run(problem.width, args);
  }
};

}  // namespace linn::kernels
