// room: optim
// Metrics: what is reported beside the loss. Each class is its options, in Keras's order, and the function itself.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "linn/losses.h"

namespace linn {

class MetricDescription;

/// A metric: one of linn::metrics with its options.
template <class M>
concept MetricClass = requires(const M& metric) {
  { describe(metric) } -> std::same_as<std::shared_ptr<const MetricDescription>>;
};

/// A handle to one of linn::metrics, or Keras's name of one with its default options ("mse", "top_k_categorical_accuracy", "Precision").
/// ValueError for an unknown name. "accuracy" ("acc") is binary accuracy for outputs of one number, else the accuracy of labels or of
/// one-hot targets, whichever the loss takes. Metrics know no sample weights.
class Metric {
 public:
  Metric(const char* name) : Metric(std::string(name)) {}
  Metric(const std::string& name);
  template <MetricClass M>
  Metric(const M& metric) : Metric(metric.name, describe(metric)) {}
  /// An empty name stands for Keras's.
  Metric(std::string name, std::shared_ptr<const MetricDescription> description);

  /// The key in logs and history: as given, else Keras's.
  std::string name;

  std::string_view class_name() const;
  const MetricDescription& description() const { return *description_; }

 private:
  std::shared_ptr<const MetricDescription> description_;
};

namespace metrics {

/// The place of the largest; the first of equal ones. A NaN counts as larger than all, as numpy and Keras have it.
template <class T>
std::int64_t first_largest(std::span<const T> values) {
  std::size_t best = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) return static_cast<std::int64_t>(i);
    if (values[i] > values[best]) best = i;
  }
  return static_cast<std::int64_t>(best);
}

// ---- of classes ----

/// The share of elements where (prediction > threshold) is the target, 0 or 1.
struct BinaryAccuracy {
  std::string name = "binary_accuracy";
  double threshold = 0.5;

  template <class T>
  T row(std::span<const T> t, std::span<const T> p) const {
    T right = 0;
    for (std::size_t c = 0; c < p.size(); ++c) right += (p[c] > static_cast<T>(threshold) ? T{1} : T{0}) == t[c] ? T{1} : T{0};
    return right / static_cast<T>(p.size());
  }
};

/// The share of rows whose largest prediction is where the largest target is: one-hot targets.
struct CategoricalAccuracy {
  std::string name = "categorical_accuracy";

  template <class T>
  T row(std::span<const T> t, std::span<const T> p) const {
    return first_largest(p) == first_largest(t) ? T{1} : T{0};
  }
};

/// The share of rows whose largest prediction is at the label.
struct SparseCategoricalAccuracy {
  std::string name = "sparse_categorical_accuracy";

  template <class T>
  T row(std::int64_t label, std::span<const T> p) const {
    return first_largest(p) == label ? T{1} : T{0};
  }
};

/// The share of rows where fewer than k predictions are larger than that at the label. A row with a NaN or an infinity is not right.
struct SparseTopKCategoricalAccuracy {
  std::int64_t k = 5;
  std::string name = "sparse_top_k_categorical_accuracy";

  template <class T>
  T row(std::int64_t label, std::span<const T> p) const {
    const T at_label = p[static_cast<std::size_t>(label)];
    const auto larger = std::count_if(p.begin(), p.end(), [&](T x) { return x > at_label; });
    return larger < k && std::all_of(p.begin(), p.end(), [](T x) { return std::isfinite(x); }) ? T{1} : T{0};
  }
};

/// The same of one-hot targets.
struct TopKCategoricalAccuracy {
  std::int64_t k = 5;
  std::string name = "top_k_categorical_accuracy";

  template <class T>
  T row(std::span<const T> t, std::span<const T> p) const {
    return SparseTopKCategoricalAccuracy{.k = k}.row(first_largest(t), p);
  }
};

/// Elements of targets and predictions: a target that is not 0 is a positive, a prediction above `threshold` says so.
/// With class_id only that element of a row counts, with top_k only the k largest predictions of a row are above the threshold.
struct Confusion {
  double threshold;
  std::optional<std::int64_t> top_k, class_id;

  /// counts = {true positives, false positives, false negatives}
  template <class T>
  void count(std::span<const T> t, std::span<const T> p, T* counts) const {
    std::fill_n(counts, 3, T{0});
    for (std::size_t c = 0; c < p.size(); ++c) {
      if (class_id && static_cast<std::size_t>(*class_id) != c) continue;
      const bool said = p[c] > static_cast<T>(threshold) && (!top_k || rank(p, c) < *top_k), positive = t[c] != 0;
      if (said) counts[positive ? 0 : 1] += 1;
      if (!said && positive) counts[2] += 1;
    }
  }

  /// How many come before c in the order of size; the first of equal ones comes first.
  template <class T>
  static std::int64_t rank(std::span<const T> p, std::size_t c) {
    std::int64_t before = 0;
    for (std::size_t i = 0; i < p.size(); ++i) before += p[i] > p[c] || (p[i] == p[c] && i < c) ? 1 : 0;
    return before;
  }
};

/// True positives / all that were said to be positive; 0 where there are none.
struct Precision {
  static constexpr int counts = 3;

  /// 0.5 if not given, or, with top_k, below all numbers. One number: a log holds no list.
  std::optional<double> thresholds = {};
  std::optional<std::int64_t> top_k = {};
  std::optional<std::int64_t> class_id = {};
  std::string name = {};

  template <class T>
  void count(std::span<const T> t, std::span<const T> p, T* to) const {
    Confusion{thresholds.value_or(top_k ? -1e10 : 0.5), top_k, class_id}.count(t, p, to);
  }
  double result(std::span<const double> sums) const { return sums[0] == 0 ? 0 : sums[0] / (sums[0] + sums[1]); }
};

/// True positives / all positives; 0 where there are none.
struct Recall {
  static constexpr int counts = 3;

  std::optional<double> thresholds = {};
  std::optional<std::int64_t> top_k = {};
  std::optional<std::int64_t> class_id = {};
  std::string name = {};

  template <class T>
  void count(std::span<const T> t, std::span<const T> p, T* to) const {
    Precision{thresholds, top_k, class_id}.count(t, p, to);
  }
  double result(std::span<const double> sums) const { return sums[0] == 0 ? 0 : sums[0] / (sums[0] + sums[2]); }
};

// ---- of losses: the mean over all rows ----

struct MeanSquaredError {
  std::string name = "mean_squared_error";
  losses::MeanSquaredError loss() const { return {}; }
};

struct RootMeanSquaredError {
  std::string name = "root_mean_squared_error";
  losses::MeanSquaredError loss() const { return {}; }
  double result(std::span<const double> sums, double rows) const { return std::sqrt(sums[0] / rows); }
};

struct MeanAbsoluteError {
  std::string name = "mean_absolute_error";
  losses::MeanAbsoluteError loss() const { return {}; }
};

struct MeanAbsolutePercentageError {
  std::string name = "mean_absolute_percentage_error";
  losses::MeanAbsolutePercentageError loss() const { return {}; }
};

struct MeanSquaredLogarithmicError {
  std::string name = "mean_squared_logarithmic_error";
  losses::MeanSquaredLogarithmicError loss() const { return {}; }
};

struct LogCoshError {
  std::string name = "logcosh";
  losses::LogCosh loss() const { return {}; }
};

/// The cosine itself: 1 for the same direction.
struct CosineSimilarity {
  std::string name = "cosine_similarity";
  losses::CosineSimilarity loss() const { return {}; }
  double result(std::span<const double> sums, double rows) const { return -sums[0] / rows; }
};

struct Hinge {
  std::string name = "hinge";
  losses::Hinge loss() const { return {}; }
};

struct SquaredHinge {
  std::string name = "squared_hinge";
  losses::SquaredHinge loss() const { return {}; }
};

struct CategoricalHinge {
  std::string name = "categorical_hinge";
  losses::CategoricalHinge loss() const { return {}; }
};

struct KLDivergence {
  std::string name = "kl_divergence";
  losses::KLDivergence loss() const { return {}; }
};

struct Poisson {
  std::string name = "poisson";
  losses::Poisson loss() const { return {}; }
};

struct BinaryCrossentropy {
  std::string name = "binary_crossentropy";
  bool from_logits = false;
  double label_smoothing = 0;

  losses::BinaryCrossentropy loss() const { return {.from_logits = from_logits, .label_smoothing = label_smoothing}; }
};

struct CategoricalCrossentropy {
  std::string name = "categorical_crossentropy";
  bool from_logits = false;
  double label_smoothing = 0;

  losses::CategoricalCrossentropy loss() const { return {from_logits, label_smoothing}; }
};

struct SparseCategoricalCrossentropy {
  std::string name = "sparse_categorical_crossentropy";
  bool from_logits = false;

  losses::SparseCategoricalCrossentropy loss() const { return {.from_logits = from_logits}; }
};

/// What the handle Metric keeps. Defined for the classes above.
template <class M>
std::shared_ptr<const MetricDescription> describe(const M& metric);

}  // namespace metrics
}  // namespace linn
