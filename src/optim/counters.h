// Metrics that keep several sums. Each is a struct with
//   std::int64_t totals() const                                     how many sums
//   void add(span<const T> t, span<const T> p, double weight, double* totals) const    adds a row; or add(std::int64_t label, ...), or both
//   double result(span<const double> totals) const                  the metric, or
//   std::int64_t parts() const; std::vector<double> results(...)    a list, where parts() is not 0
// made by `counter_of(metric, width)`. HACKING.md: "Adding a metric".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "linn/metrics.h"

namespace linn::detail::optim {

/// Where a prediction lies among ascending thresholds: how many of them it is above.
class ThresholdList {
 public:
  /// `widened`: the first and last threshold lie just outside of [0, 1], so that every prediction is above the first and below the last.
  explicit ThresholdList(std::vector<double> ascending, bool widened = false);
  /// `count` thresholds, evenly from 0 to 1; one: 0.5.
  static ThresholdList evenly(std::int64_t count);

  std::int64_t count() const { return static_cast<std::int64_t>(values_.size()); }
  /// NaN is above none.
  template <class T>
  std::int64_t below(T prediction) const;

 private:
  std::vector<double> values_;
  bool even_;  // evenly from 0 to 1, three or more: found by a product, rounded as Keras does
  bool widened_;
};

/// Positives and negatives at each of some thresholds.
struct ThresholdRates {
  std::vector<double> true_positives, false_positives, true_negatives, false_negatives;
};

/// Counts positives and negatives by how many thresholds their predictions are above, all elements together or each element of a row alone.
struct ThresholdCounter {
  ThresholdList thresholds;
  std::optional<std::int64_t> top_k = {};
  std::optional<std::int64_t> class_id = {};
  std::int64_t labels = 1;  // elements of a row that are counted alone; 1: all together
  std::vector<double> element_weights = {};
  bool from_logits = false;

  std::int64_t slots() const { return thresholds.count() + 1; }
  std::int64_t totals() const { return 2 * labels * slots(); }
  template <class T>
  void add(std::span<const T> t, std::span<const T> p, double weight, double* totals) const;
  ThresholdRates rates(std::span<const double> totals, std::int64_t label = 0) const;
};

/// A metric of the rates at thresholds that were given: one number, or a list where there are several.
struct RateCounter : ThresholdCounter {
  enum Kind : std::uint8_t { true_positives, false_positives, true_negatives, false_negatives, precision, recall };
  Kind kind = true_positives;

  std::int64_t parts() const { return thresholds.count() == 1 ? 0 : thresholds.count(); }
  double result(std::span<const double> totals) const { return results(totals).front(); }
  std::vector<double> results(std::span<const double> totals) const;
};

/// The best of one rate where another one is at least `least`.
struct RateAtRateCounter : ThresholdCounter {
  enum Rate : std::uint8_t { sensitivity, specificity, precision };
  Rate best = sensitivity, bound = specificity;
  double least = 0;

  double result(std::span<const double> totals) const;
};

struct AucCounter : ThresholdCounter {
  metrics::AucCurve curve = "ROC";
  metrics::SummationMethod method = "interpolation";
  std::vector<double> label_weights = {};  // of the areas

  double result(std::span<const double> totals) const;
};

struct FBetaCounter {
  std::int64_t width = 0;
  metrics::ScoreAverage average = "none";
  double beta = 1;
  std::optional<double> threshold = {};

  std::int64_t classes() const { return average == metrics::ScoreAverage("micro") ? 1 : width; }
  std::int64_t totals() const { return 3 * classes(); }
  std::int64_t parts() const { return average == metrics::ScoreAverage("none") ? width : 0; }
  template <class T>
  void add(std::span<const T> t, std::span<const T> p, double weight, double* totals) const;
  double result(std::span<const double> totals) const { return results(totals).front(); }
  std::vector<double> results(std::span<const double> totals) const;
};

/// A confusion matrix, rows by target, and the mean intersection over union of some classes.
struct IouCounter {
  enum class Reading : std::uint8_t {
    ids,
    scores,
    at_threshold
  };  // what elements or rows say: a class number, the largest score, yes or no
  std::int64_t classes = 0;
  std::vector<std::int64_t> chosen = {};
  std::optional<std::int64_t> ignored = {};
  Reading reading = Reading::ids;
  double threshold = 0.5;

  std::int64_t totals() const { return classes * classes; }
  template <class T>
  void add(std::span<const T> t, std::span<const T> p, double weight, double* totals) const;
  template <class T>
  void add(std::int64_t label, std::span<const T> p, double weight, double* totals) const;
  double result(std::span<const double> totals) const;

 private:
  void count(double target, double prediction, double weight, double* totals) const;
};

struct R2Counter {
  std::int64_t width = 0;
  metrics::R2Aggregation aggregation = "uniform_average";
  std::int64_t num_regressors = 0;

  /// Of each element of a row: weights, their sum with t, with t^2, and with (t - p)^2; and behind them the elements seen.
  std::int64_t totals() const { return 4 * width + 1; }
  std::int64_t parts() const { return aggregation == metrics::R2Aggregation("none") ? width : 0; }
  template <class T>
  void add(std::span<const T> t, std::span<const T> p, double weight, double* totals) const;
  double result(std::span<const double> totals) const { return results(totals).front(); }
  std::vector<double> results(std::span<const double> totals) const;
};

// Of an output with `width` numbers in a row. ValueError for an option that does not fit it.
RateCounter counter_of(const metrics::TruePositives& metric, std::int64_t width);
RateCounter counter_of(const metrics::FalsePositives& metric, std::int64_t width);
RateCounter counter_of(const metrics::TrueNegatives& metric, std::int64_t width);
RateCounter counter_of(const metrics::FalseNegatives& metric, std::int64_t width);
RateCounter counter_of(const metrics::Precision& metric, std::int64_t width);
RateCounter counter_of(const metrics::Recall& metric, std::int64_t width);
RateAtRateCounter counter_of(const metrics::SensitivityAtSpecificity& metric, std::int64_t width);
RateAtRateCounter counter_of(const metrics::SpecificityAtSensitivity& metric, std::int64_t width);
RateAtRateCounter counter_of(const metrics::PrecisionAtRecall& metric, std::int64_t width);
RateAtRateCounter counter_of(const metrics::RecallAtPrecision& metric, std::int64_t width);
AucCounter counter_of(const metrics::AUC& metric, std::int64_t width);
FBetaCounter counter_of(const metrics::FBetaScore& metric, std::int64_t width);
FBetaCounter counter_of(const metrics::F1Score& metric, std::int64_t width);
IouCounter counter_of(const metrics::IoU& metric, std::int64_t width);
IouCounter counter_of(const metrics::BinaryIoU& metric, std::int64_t width);
IouCounter counter_of(const metrics::MeanIoU& metric, std::int64_t width);
IouCounter counter_of(const metrics::OneHotIoU& metric, std::int64_t width);
IouCounter counter_of(const metrics::OneHotMeanIoU& metric, std::int64_t width);
R2Counter counter_of(const metrics::R2Score& metric, std::int64_t width);

}  // namespace linn::detail::optim
