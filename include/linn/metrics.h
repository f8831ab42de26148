// room: optim
// Metrics: what is reported beside the loss. Each class is its options, in Keras's order, and the function itself.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "linn/choice.h"
#include "linn/losses.h"
#include "linn/tensor.h"

namespace linn {

class MetricDescription;

/// A metric: one of linn::metrics with its options.
template <class M>
concept MetricClass = requires(const M& metric) {
  { describe(metric) } -> std::same_as<std::shared_ptr<const MetricDescription>>;
};

/// A handle to one of linn::metrics, or Keras's name of one with its default options ("mse", "top_k_categorical_accuracy", "Precision").
/// ValueError for an unknown name. "accuracy" ("acc") is binary accuracy for outputs of one number, else the accuracy of labels or of
/// one-hot targets, whichever the loss takes. A loss is a metric too: the mean of its rows. In `compile` metrics know no sample weights.
///
/// What is logged is the metric of all rows of the epoch, exactly: it does not depend on the batch size or the threads. A metric whose
/// result is a list (F1Score, several thresholds) is logged as its mean under its name, which is what Keras's progress bar shows, and as its
/// numbers under "NAME[0]", "NAME[1]", ...
class Metric {
 public:
  Metric(const char* name) : Metric(std::string(name)) {}
  Metric(const std::string& name);
  template <MetricClass M>
  Metric(const M& metric) : Metric(metric.name, describe(metric)) {}
  /// The mean of a loss over all rows; its `reduction` does not count.
  Metric(const Loss& loss);
  template <LossClass F>
  Metric(const F& loss) : Metric(Loss(loss)) {}
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

/// One threshold or several: `0.3`, `{0.2, 0.5}`. Empty: the metric's default.
class Thresholds {
 public:
  Thresholds() = default;
  Thresholds(double threshold) : thresholds_{threshold}, single_(true) {}
  Thresholds(std::initializer_list<double> thresholds) : thresholds_(thresholds) {}
  explicit Thresholds(std::vector<double> thresholds) : thresholds_(std::move(thresholds)) {}

  const std::vector<double>& list() const { return thresholds_; }
  bool empty() const { return thresholds_.empty(); }
  /// Whether it was given as one number, which Keras's configuration keeps apart from a list of one.
  bool single() const { return single_; }

 private:
  std::vector<double> thresholds_;
  bool single_ = false;
};

struct AucCurveNames {
  enum Kind : std::uint8_t { roc, pr, prgain };
  static constexpr std::string_view option = "curve", names[] = {"ROC", "PR", "PRGAIN"};
  static consteval void check(bool known) {
    if (!known) throw "curve must be \"ROC\", \"PR\" or \"PRGAIN\"";
  }
};
using AucCurve = Choice<AucCurveNames>;

struct SummationMethodNames {
  enum Kind : std::uint8_t { interpolation, minoring, majoring };
  static constexpr std::string_view option = "summation_method", names[] = {"interpolation", "minoring", "majoring"};
  static consteval void check(bool known) {
    if (!known) throw "summation_method must be \"interpolation\", \"minoring\" or \"majoring\"";
  }
};
using SummationMethod = Choice<SummationMethodNames>;

struct ScoreAverageNames {
  enum Kind : std::uint8_t { none, micro, macro, weighted };
  static constexpr std::string_view option = "average", names[] = {"none", "micro", "macro", "weighted"};
  static consteval void check(bool known) {
    if (!known) throw "average must be \"none\", \"micro\", \"macro\" or \"weighted\"";
  }
};
/// Keras's None is "none".
using ScoreAverage = Choice<ScoreAverageNames>;

struct R2AggregationNames {
  enum Kind : std::uint8_t { uniform_average, variance_weighted_average, none };
  static constexpr std::string_view option = "class_aggregation", names[] = {"uniform_average", "variance_weighted_average", "none"};
  static consteval void check(bool known) {
    if (!known) throw "class_aggregation must be \"uniform_average\", \"variance_weighted_average\" or \"none\"";
  }
};
/// Keras's None is "none".
using R2Aggregation = Choice<R2AggregationNames>;

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

/// The share of elements whose prediction is exactly the target.
struct Accuracy {
  std::string name = "accuracy";

  template <class T>
  T row(std::span<const T> t, std::span<const T> p) const {
    T right = 0;
    for (std::size_t c = 0; c < p.size(); ++c) right += p[c] == t[c] ? T{1} : T{0};
    return right / static_cast<T>(p.size());
  }
};

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
  /// Predictions are the numbers of classes, the best first: the share of rows whose first k hold the label.
  bool from_sorted_ids = false;

  template <class T>
  T row(std::int64_t label, std::span<const T> p) const {
    if (from_sorted_ids) {
      const auto first = p.first(std::min(p.size(), static_cast<std::size_t>(k)));
      return std::find(first.begin(), first.end(), static_cast<T>(label)) != first.end() ? T{1} : T{0};
    }
    if (label < 0 || label >= static_cast<std::int64_t>(p.size())) return T{0};
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

// ---- of yes and no: a target that is not 0 is a positive, a prediction above the threshold says that it is one ----

/// How many positives were found. Several thresholds give a list.
struct TruePositives {
  /// 0.5 if not given; each in [0, 1].
  Thresholds thresholds = {};
  std::string name = {};
};

/// How many negatives were said to be positive.
struct FalsePositives {
  Thresholds thresholds = {};
  std::string name = {};
};

/// How many negatives were said to be negative.
struct TrueNegatives {
  Thresholds thresholds = {};
  std::string name = {};
};

/// How many positives were missed.
struct FalseNegatives {
  Thresholds thresholds = {};
  std::string name = {};
};

/// True positives / all that were said to be positive; 0 where there are none. Several thresholds give a list.
struct Precision {
  /// 0.5 if not given, or, with top_k, below all numbers; each in [0, 1].
  Thresholds thresholds = {};
  /// Only the k largest predictions of a row can say yes.
  std::optional<std::int64_t> top_k = {};
  /// The one element of a row that counts.
  std::optional<std::int64_t> class_id = {};
  std::string name = {};
};

/// True positives / all positives; 0 where there are none. Options as Precision's.
struct Recall {
  Thresholds thresholds = {};
  std::optional<std::int64_t> top_k = {};
  std::optional<std::int64_t> class_id = {};
  std::string name = {};
};

/// The largest sensitivity (recall) among `num_thresholds` thresholds, evenly from 0 to 1, at which the specificity, true negatives / all
/// negatives, is at least the one given; 0 where no threshold has it.
struct SensitivityAtSpecificity {
  double specificity = 0;
  std::int64_t num_thresholds = 200;
  std::optional<std::int64_t> class_id = {};
  std::string name = {};
};

/// The largest specificity at which the sensitivity is at least the one given.
struct SpecificityAtSensitivity {
  double sensitivity = 0;
  std::int64_t num_thresholds = 200;
  std::optional<std::int64_t> class_id = {};
  std::string name = {};
};

/// The largest precision at which the recall is at least the one given.
struct PrecisionAtRecall {
  double recall = 0;
  std::int64_t num_thresholds = 200;
  std::optional<std::int64_t> class_id = {};
  std::string name = {};
};

/// The largest recall at which the precision is at least the one given.
struct RecallAtPrecision {
  double precision = 0;
  std::int64_t num_thresholds = 200;
  std::optional<std::int64_t> class_id = {};
  std::string name = {};
};

/// The area under a curve of rates that change with the threshold, by the trapezoid rule over `num_thresholds` thresholds, evenly from 0 to 1:
///
/// | curve    | x                                   | y                                                                              |
/// | "ROC"    | false positives / negatives         | true positives / positives                                                     |
/// | "PR"     | recall                              | precision; between two thresholds as Davis and Goadrich, "The relationship between |
/// |          |                                     | precision-recall and ROC curves", 2006, section 4, interpolate                 |
/// | "PRGAIN" | recall gain                         | precision gain (Flach and Kull, "Precision-recall-gain curves", 2015)          |
struct AUC {
  /// 2 or more.
  std::int64_t num_thresholds = 200;
  AucCurve curve = "ROC";
  /// "minoring" and "majoring" take the lower or higher end of each step in place of its mean.
  SummationMethod summation_method = "interpolation";
  std::string name = {};
  /// In place of num_thresholds; each in [0, 1]. 0 and 1 are added.
  std::vector<double> thresholds = {};
  /// The mean of the area of each element of a row, in place of one area of all.
  bool multi_label = false;
  /// Elements of a row, for multi_label; checked only.
  std::optional<std::int64_t> num_labels = {};
  /// Weight of each element of a row, or, with multi_label, of its area.
  std::vector<double> label_weights = {};
  /// Predictions are numbers of which the sigmoid is taken.
  bool from_logits = false;
};

/// (1 + beta^2) precision recall / (beta^2 precision + recall) of each class, a list; or, by `average`, one number: "micro", of all classes
/// together; "macro", their mean; "weighted", their mean by the number of positives. Targets are one-hot or yes-or-no.
struct FBetaScore {
  ScoreAverage average = "none";
  /// Above 0.
  double beta = 1.0;
  /// Predictions above it say yes; if not given, the largest of each row alone does. In (0, 1].
  std::optional<double> threshold = {};
  std::string name = "fbeta_score";
};

/// FBetaScore with beta 1.
struct F1Score {
  ScoreAverage average = "none";
  std::optional<double> threshold = {};
  std::string name = "f1_score";
};

// ---- of areas: overlap of the places where a class is and where it is said to be ----

/// Intersection over union, true positives / (true positives + false positives + false negatives), of each class; the mean of those of
/// `target_class_ids` that occur. By default targets and predictions are numbers of classes, element by element.
struct IoU {
  std::int64_t num_classes = 0;
  std::vector<std::int64_t> target_class_ids = {};
  std::string name = {};
  /// Rows with this label are left out.
  std::optional<std::int64_t> ignore_class = {};
  /// Targets are integer labels; false: the class of a row is its largest target.
  bool sparse_y_true = true;
  /// Predictions are numbers of classes; false: the class of a row is its largest prediction.
  bool sparse_y_pred = true;
};

/// IoU of no (0) and yes (1): a prediction of at least `threshold` says yes.
struct BinaryIoU {
  std::vector<std::int64_t> target_class_ids = {0, 1};
  double threshold = 0.5;
  std::string name = {};
};

/// IoU of all classes. For an output of scores and integer labels: `{.num_classes = 21, .sparse_y_pred = false}`.
struct MeanIoU {
  std::int64_t num_classes = 0;
  std::string name = {};
  std::optional<std::int64_t> ignore_class = {};
  bool sparse_y_true = true;
  bool sparse_y_pred = true;
};

/// IoU of one-hot targets.
struct OneHotIoU {
  std::int64_t num_classes = 0;
  std::vector<std::int64_t> target_class_ids = {};
  std::string name = {};
  std::optional<std::int64_t> ignore_class = {};
  bool sparse_y_pred = false;
};

/// IoU of all classes and one-hot targets.
struct OneHotMeanIoU {
  std::int64_t num_classes = 0;
  std::string name = {};
  std::optional<std::int64_t> ignore_class = {};
  bool sparse_y_pred = false;
};

// ---- of numbers ----

/// The coefficient of determination of each element of a row, 1 - sum (t - p)^2 / sum (t - mean t)^2 over all rows; their mean, their mean by
/// variance, or, with "none", a list. `num_regressors` above 0 adjusts it: 1 - (1 - r) (n - 1) / (n - num_regressors - 1), with n, as in Keras,
/// the number of elements.
struct R2Score {
  R2Aggregation class_aggregation = "uniform_average";
  std::int64_t num_regressors = 0;
  std::string name = "r2_score";
};

/// Pearson's correlation of target and prediction along each row; the mean over all rows.
struct PearsonCorrelation {
  std::string name = "pearson_correlation";

  template <class T>
  T row(std::span<const T> t, std::span<const T> p) const {
    const auto n = static_cast<T>(p.size());
    const T mean_t = std::accumulate(t.begin(), t.end(), T{0}) / n, mean_p = std::accumulate(p.begin(), p.end(), T{0}) / n;
    T tt = 0, pp = 0, tp = 0;
    for (std::size_t c = 0; c < p.size(); ++c) {
      const T a = t[c] - mean_t, b = p[c] - mean_p;
      tt += a * a, pp += b * b, tp += a * b;
    }
    return tp / (std::sqrt(tt) * std::sqrt(pp));
  }
};

/// Lin's concordance of target and prediction along each row, 2 c / (variance of t + variance of p + (mean t - mean p)^2 + 1e-7), with c their
/// covariance (Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989); the mean over all rows.
struct ConcordanceCorrelation {
  std::string name = "concordance_correlation";

  template <class T>
  T row(std::span<const T> t, std::span<const T> p) const {
    const auto n = static_cast<T>(p.size());
    const T mean_t = std::accumulate(t.begin(), t.end(), T{0}) / n, mean_p = std::accumulate(p.begin(), p.end(), T{0}) / n;
    T tt = 0, pp = 0, tp = 0;
    for (std::size_t c = 0; c < p.size(); ++c) {
      const T a = t[c] - mean_t, b = p[c] - mean_p;
      tt += a * a, pp += b * b, tp += a * b;
    }
    const T apart = mean_t - mean_p;
    return 2 * (tp / n) / (tt / n + pp / n + apart * apart + losses::epsilon(apart));
  }
};

// ---- of losses: the mean over all rows ----

struct MeanSquaredError {
  std::string name = "mean_squared_error";
  losses::MeanSquaredError loss() const { return {}; }
};

struct RootMeanSquaredError {
  std::string name = "root_mean_squared_error";
  losses::MeanSquaredError loss() const { return {}; }
  double result(double mean) const { return std::sqrt(mean); }
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
  double result(double mean) const { return -mean; }
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

  losses::CategoricalCrossentropy loss() const { return {.from_logits = from_logits, .label_smoothing = label_smoothing}; }
};

struct SparseCategoricalCrossentropy {
  std::string name = "sparse_categorical_crossentropy";
  bool from_logits = false;
  /// Rows with this label count with a loss of 0, as in Keras.
  std::optional<std::int64_t> ignore_class = {};

  losses::SparseCategoricalCrossentropy loss() const { return {.from_logits = from_logits, .ignore_class = ignore_class}; }
};

/// What the handle Metric keeps. Defined for the classes above.
template <class M>
std::shared_ptr<const MetricDescription> describe(const M& metric);

/// How often each class was taken for each: rows are labels, columns are predictions.
class ConfusionMatrix {
 public:
  /// ValueError for fewer than 1 class.
  explicit ConfusionMatrix(std::int64_t classes);

  /// Adds n labels and predictions, each a tensor of shape (n) or (n, 1), of whole numbers below `classes`; predictions may also be scores of
  /// shape (n, classes), of which the largest counts. ShapeError for other shapes, DataError for other numbers, naming the sample.
  void update(const Tensor& labels, const Tensor& predictions);

  std::int64_t classes() const { return classes_; }
  std::int64_t count(std::int64_t label, std::int64_t prediction) const { return counts_[static_cast<std::size_t>(label * classes_ + prediction)]; }
  std::int64_t total() const;
  /// The share of the diagonal; 0 without samples.
  double accuracy() const;
  /// Of each class: right / all that were taken for it, right / all that are it, and 2 precision recall / (precision + recall); 0 where nothing is
  /// divided.
  std::vector<double> precision() const;
  std::vector<double> recall() const;
  std::vector<double> f1_score() const;
  /// int64 of shape (classes, classes).
  Tensor values() const;
  /// A table with the recall of each class and below it the precision. ValueError unless there is a name for each class, or none at all.
  std::string to_string(const std::vector<std::string>& class_names = {}) const;

 private:
  std::int64_t classes_;
  std::vector<std::int64_t> counts_;
};

/// The same of all samples at once; 0 classes: as many as the largest number or the scores say.
ConfusionMatrix confusion_matrix(const Tensor& labels, const Tensor& predictions, std::int64_t classes = 0);

}  // namespace metrics

/// A metric that is fed by hand, as Keras's are:
///
///     linn::MetricState auc(linn::metrics::AUC{});
///     auc.update_state(y_true, y_pred);
///     std::cout << auc.result();
///
/// The numbers are those of `evaluate`, whatever the cut into updates.
class MetricState {
 public:
  explicit MetricState(Metric metric);
  ~MetricState();
  MetricState(MetricState&&) noexcept;
  MetricState& operator=(MetricState&&) noexcept;

  /// Adds predictions of shape (..., width) with targets of the same shape, or, for metrics of labels, of the shape without the last axis.
  /// `sample_weight` has one number for each row or for each sample (the first axis). ShapeError for other shapes or for another width than
  /// before, DataError for no predictions.
  void update_state(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight = {});
  /// Of everything since the last reset; 0 before the first update. The mean of `results` where the result is a list.
  double result() const;
  /// The numbers of a list, or `result` alone.
  std::vector<double> results() const;
  void reset_state();

  const Metric& metric() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};
}  // namespace linn
