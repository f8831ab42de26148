#include "optim/counters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "linn/error.h"

namespace linn::detail::optim {
namespace {

constexpr double epsilon = 1e-7;

double over(double part, double whole) { return whole == 0 ? 0 : part / whole; }

bool is_even(const std::vector<double>& ascending) {
  if (ascending.size() < 3) return false;
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    const double even = static_cast<double>(i) / static_cast<double>(ascending.size() - 1);
    if (std::abs(ascending[i] - even) > 1e-7 + 1e-5 * even) return false;
  }
  return true;
}

/// Whether element c is among the k largest; the first of equal ones comes first.
template <class T>
bool is_among_largest(std::span<const T> p, std::size_t c, std::int64_t k) {
  std::int64_t before = 0;
  for (std::size_t i = 0; i < p.size() && before < k; ++i) before += p[i] > p[c] || (p[i] == p[c] && i < c) ? 1 : 0;
  return before < k;
}

template <class T>
T sigmoid(T x) {
  return losses::sigmoid(x);
}

}  // namespace

// ---- thresholds ---------------------------------------------------------------------------------------------------

ThresholdList::ThresholdList(std::vector<double> ascending, bool widened)
    : values_(std::move(ascending)), even_(is_even(values_)), widened_(widened) {
  if (!widened) return;
  values_.front() -= epsilon;
  values_.back() += epsilon;
}

ThresholdList ThresholdList::evenly(std::int64_t count) {
  if (count == 1) return ThresholdList({0.5});
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<double>(i) / static_cast<double>(count - 1));
  return ThresholdList(values);
}

template <class T>
std::int64_t ThresholdList::below(T prediction) const {
  if (std::isnan(prediction)) return 0;
  if (!even_) {
    const auto first =
        std::partition_point(values_.begin(), values_.end(), [&](double value) { return static_cast<T>(value) < prediction; });
    return first - values_.begin();
  }
  const T inside = std::clamp(prediction, T{0}, T{1}), steps = static_cast<T>(count() - 1);
  return std::max(static_cast<std::int64_t>(std::ceil(inside * steps)), std::int64_t{widened_ ? 1 : 0});
}

// Totals: of each label the slots of its positives, then those of its negatives.
template <class T>
void ThresholdCounter::add(std::span<const T> t, std::span<const T> p, double weight, double* totals) const {
  for (std::size_t c = 0; c < p.size(); ++c) {
    if (class_id && static_cast<std::size_t>(*class_id) != c) continue;
    const T prediction = from_logits ? sigmoid(p[c]) : p[c];
    const bool can_say_yes = !top_k || is_among_largest(p, c, *top_k);
    const std::int64_t slot = can_say_yes ? thresholds.below(prediction) : thresholds.below(static_cast<T>(-1e10));
    const std::int64_t label = labels == 1 ? 0 : static_cast<std::int64_t>(c);
    totals[(2 * label + (t[c] != 0 ? 0 : 1)) * slots() + slot] += weight * (element_weights.empty() ? 1.0 : element_weights[c]);
  }
}

ThresholdRates ThresholdCounter::rates(std::span<const double> totals, std::int64_t label) const {
  ThresholdRates rates;
  const auto split = [&](std::int64_t begin, std::vector<double>& above, std::vector<double>& rest) {
    const std::span<const double> counted = totals.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(slots()));
    const double all = std::accumulate(counted.begin(), counted.end(), 0.0);
    double sum = 0;
    above.assign(counted.size() - 1, 0);
    for (std::size_t i = counted.size() - 1; i > 0; --i) above[i - 1] = sum += counted[i];
    for (const double count : above) rest.push_back(all - count);
  };
  split(2 * label * slots(), rates.true_positives, rates.false_negatives);
  split((2 * label + 1) * slots(), rates.false_positives, rates.true_negatives);
  return rates;
}

std::vector<double> RateCounter::results(std::span<const double> totals) const {
  const ThresholdRates r = rates(totals);
  switch (kind) {
    case true_positives: return r.true_positives;
    case false_positives: return r.false_positives;
    case true_negatives: return r.true_negatives;
    case false_negatives: return r.false_negatives;
    case precision:
    case recall: break;
  }
  const std::vector<double>& others = kind == precision ? r.false_positives : r.false_negatives;
  std::vector<double> shares;
  for (std::size_t i = 0; i < others.size(); ++i) shares.push_back(over(r.true_positives[i], r.true_positives[i] + others[i]));
  return shares;
}

double RateAtRateCounter::result(std::span<const double> totals) const {
  const ThresholdRates r = rates(totals);
  const auto value = [&](Rate rate, std::size_t i) {
    if (rate == specificity) return over(r.true_negatives[i], r.true_negatives[i] + r.false_positives[i]);
    return over(r.true_positives[i], r.true_positives[i] + (rate == sensitivity ? r.false_negatives[i] : r.false_positives[i]));
  };
  double highest = 0;
  for (std::size_t i = 0; i < r.true_positives.size(); ++i)
    if (value(bound, i) >= least) highest = std::max(highest, value(best, i));
  return highest;
}

// ---- areas under curves -------------------------------------------------------------------------------------------

namespace {

// Between two thresholds, true positives and all positive predictions change linearly. With slope s and what that line has at no positive
// predictions, n, precision is s + n / p, whose integral over p is taken in closed form.
double area_by_counts(const ThresholdRates& r) {
  double area = 0;
  for (std::size_t i = 0; i + 1 < r.true_positives.size(); ++i) {
    const double here = r.true_positives[i] + r.false_positives[i], next = r.true_positives[i + 1] + r.false_positives[i + 1];
    const double gain = r.true_positives[i] - r.true_positives[i + 1], slope = over(gain, std::max(here - next, 0.0));
    const double intercept = r.true_positives[i + 1] - slope * next;
    const double ratio = here > 0 && next > 0 ? here / next : 1;
    area += over(slope * (gain + intercept * std::log(ratio)), std::max(r.true_positives[i + 1] + r.false_negatives[i + 1], 0.0));
  }
  return area;
}

struct Point {
  double x, y;
};

Point point_of(metrics::AucCurve curve, const ThresholdRates& r, std::size_t i) {
  const double tp = r.true_positives[i], fp = r.false_positives[i], tn = r.true_negatives[i], fn = r.false_negatives[i];
  if (curve == metrics::AucCurve("ROC")) return {over(fp, fp + tn), over(tp, tp + fn)};
  if (curve == metrics::AucCurve("PR")) return {over(tp, tp + fn), over(tp, tp + fp)};
  const double ratio = over(tp + fn, tn + fp);
  if (tp == 0) return {0, 1};
  return {std::max(1 - ratio * fn / tp, 0.0), 1 - ratio * fp / tp};
}

double area_of(metrics::AucCurve curve, metrics::SummationMethod method, const ThresholdRates& r) {
  if (curve == metrics::AucCurve("PR") && method == metrics::SummationMethod("interpolation")) return area_by_counts(r);
  double area = 0;
  for (std::size_t i = 0; i + 1 < r.true_positives.size(); ++i) {
    const Point a = point_of(curve, r, i), b = point_of(curve, r, i + 1);
    const double height = method == metrics::SummationMethod("interpolation") ? (a.y + b.y) / 2
                          : method == metrics::SummationMethod("minoring")    ? std::min(a.y, b.y)
                                                                              : std::max(a.y, b.y);
    area += (a.x - b.x) * height;
  }
  return area;
}

}  // namespace

double AucCounter::result(std::span<const double> totals) const {
  double sum = 0, weights = 0;
  for (std::int64_t label = 0; label < labels; ++label) {
    const double weight = label_weights.empty() ? 1 : label_weights[static_cast<std::size_t>(label)];
    sum += weight * area_of(curve, method, rates(totals, label));
    weights += weight;
  }
  return over(sum, weights);
}

// ---- F scores -----------------------------------------------------------------------------------------------------

// Totals: of each class true positives, false positives, false negatives.
template <class T>
void FBetaCounter::add(std::span<const T> t, std::span<const T> p, double weight, double* totals) const {
  const T largest = *std::max_element(p.begin(), p.end());
  for (std::size_t c = 0; c < p.size(); ++c) {
    const bool yes = threshold ? p[c] > static_cast<T>(*threshold) : p[c] >= largest && std::abs(p[c]) > static_cast<T>(1e-9);
    const double positive = static_cast<double>(t[c]);
    double* sums = totals + (classes() == 1 ? 0 : 3 * c);
    if (yes) sums[0] += weight * positive, sums[1] += weight * (1 - positive);
    if (!yes) sums[2] += weight * positive;
  }
}

std::vector<double> FBetaCounter::results(std::span<const double> totals) const {
  std::vector<double> scores, positives;
  for (std::size_t c = 0; c < totals.size(); c += 3) {
    const double precision = totals[c] / (totals[c] + totals[c + 1] + epsilon), recall = totals[c] / (totals[c] + totals[c + 2] + epsilon);
    scores.push_back((1 + beta * beta) * precision * recall / (beta * beta * precision + recall + epsilon));
    positives.push_back(totals[c] + totals[c + 2]);
  }
  if (average == metrics::ScoreAverage("none")) return scores;
  if (average == metrics::ScoreAverage("weighted"))
    return {std::inner_product(scores.begin(), scores.end(), positives.begin(), 0.0) /
            (std::accumulate(positives.begin(), positives.end(), 0.0) + epsilon)};
  return {std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size())};
}

// ---- intersection over union --------------------------------------------------------------------------------------

void IouCounter::count(double target, double prediction, double weight, double* totals) const {
  const auto is_class = [&](double value) { return value >= 0 && value < static_cast<double>(classes); };  // false for NaN
  if (!is_class(target) || !is_class(prediction)) return;
  const auto row = static_cast<std::int64_t>(target), column = static_cast<std::int64_t>(prediction);
  if (ignored && row == *ignored) return;
  totals[row * classes + column] += weight;
}

template <class T>
void IouCounter::add(std::int64_t label, std::span<const T> p, double weight, double* totals) const {
  count(static_cast<double>(label), static_cast<double>(metrics::first_largest(p)), weight, totals);
}

template <class T>
void IouCounter::add(std::span<const T> t, std::span<const T> p, double weight, double* totals) const {
  if (reading == Reading::scores) return add(metrics::first_largest(t), p, weight, totals);
  for (std::size_t c = 0; c < p.size(); ++c) {
    const double said = reading == Reading::ids ? static_cast<double>(p[c]) : p[c] >= static_cast<T>(threshold) ? 1 : 0;
    count(static_cast<double>(t[c]), said, weight, totals);
  }
}

double IouCounter::result(std::span<const double> totals) const {
  const auto at = [&](std::int64_t row, std::int64_t column) { return totals[static_cast<std::size_t>(row * classes + column)]; };
  double sum = 0, valid = 0;
  for (const std::int64_t c : chosen) {
    double joined = -at(c, c);
    for (std::int64_t other = 0; other < classes; ++other) joined += at(c, other) + at(other, c);
    if (joined <= 1e-9) continue;
    sum += at(c, c) / (joined + epsilon);
    valid += 1;
  }
  return sum / (valid + epsilon);
}

// ---- R2 -----------------------------------------------------------------------------------------------------------

template <class T>
void R2Counter::add(std::span<const T> t, std::span<const T> p, double weight, double* totals) const {
  for (std::size_t c = 0; c < p.size(); ++c) {
    const auto target = static_cast<double>(t[c]), apart = target - static_cast<double>(p[c]);
    double* sums = totals + 4 * c;
    sums[0] += weight, sums[1] += weight * target, sums[2] += weight * target * target, sums[3] += weight * apart * apart;
  }
  totals[4 * p.size()] += static_cast<double>(p.size());
}

std::vector<double> R2Counter::results(std::span<const double> totals) const {
  std::vector<double> scores;
  double sum = 0, weighted = 0, variances = 0;
  for (std::size_t c = 0; c + 1 < totals.size(); c += 4) {
    const double variance = totals[c + 2] - totals[c + 1] * totals[c + 1] / totals[c], raw = 1 - totals[c + 3] / variance;
    const double score = std::isinf(raw) ? 0 : raw;
    scores.push_back(score);
    sum += score, weighted += variance * score, variances += variance;
  }
  if (aggregation == metrics::R2Aggregation("uniform_average")) scores = {sum / static_cast<double>(width)};
  if (aggregation == metrics::R2Aggregation("variance_weighted_average")) scores = {weighted / variances};
  const double n = totals.back(), p = static_cast<double>(num_regressors);
  if (p > 0 && p < n - 1)
    for (double& score : scores) score = 1 - (1 - score) * (n - 1) / (n - p - 1);
  return scores;
}

// ---- counters of metrics ------------------------------------------------------------------------------------------

namespace {

void check_class(const char* metric, const std::optional<std::int64_t>& class_id, std::int64_t width) {
  if (class_id.value_or(0) >= width)
    throw ValueError(fmt::format("metric {}: class_id is {}; the output has {} classes, 0 to {}", metric, *class_id, width, width - 1));
}

RateCounter rates_of(RateCounter::Kind kind, const metrics::Thresholds& thresholds, double otherwise = 0.5) {
  RateCounter counter{{.thresholds = ThresholdList(thresholds.empty() ? std::vector{otherwise} : thresholds.list())}};
  counter.kind = kind;
  return counter;
}

template <class M>
RateCounter top_rates_of(const char* name, RateCounter::Kind kind, const M& metric, std::int64_t width) {
  check_class(name, metric.class_id, width);
  RateCounter counter = rates_of(kind, metric.thresholds, metric.top_k ? -1e10 : 0.5);
  counter.top_k = metric.top_k;
  counter.class_id = metric.class_id;
  return counter;
}

template <class M>
RateAtRateCounter rate_at_rate(const char* name, const M& metric, RateAtRateCounter::Rate best, RateAtRateCounter::Rate bound, double least,
                               std::int64_t width) {
  check_class(name, metric.class_id, width);
  RateAtRateCounter counter{{.thresholds = ThresholdList::evenly(metric.num_thresholds), .class_id = metric.class_id}};
  counter.best = best;
  counter.bound = bound;
  counter.least = least;
  return counter;
}

std::vector<std::int64_t> all_classes(std::int64_t count) {
  std::vector<std::int64_t> classes(static_cast<std::size_t>(count));
  std::iota(classes.begin(), classes.end(), 0);
  return classes;
}

void check_scores(const char* metric, std::int64_t classes, std::int64_t width) {
  if (width != classes)
    throw ValueError(fmt::format("metric {}: num_classes is {}; the output has {} scores in a row", metric, classes, width));
}

}  // namespace

RateCounter counter_of(const metrics::TruePositives& metric, std::int64_t /*width*/) {
  return rates_of(RateCounter::true_positives, metric.thresholds);
}
RateCounter counter_of(const metrics::FalsePositives& metric, std::int64_t /*width*/) {
  return rates_of(RateCounter::false_positives, metric.thresholds);
}
RateCounter counter_of(const metrics::TrueNegatives& metric, std::int64_t /*width*/) {
  return rates_of(RateCounter::true_negatives, metric.thresholds);
}
RateCounter counter_of(const metrics::FalseNegatives& metric, std::int64_t /*width*/) {
  return rates_of(RateCounter::false_negatives, metric.thresholds);
}
RateCounter counter_of(const metrics::Precision& metric, std::int64_t width) {
  return top_rates_of("Precision", RateCounter::precision, metric, width);
}
RateCounter counter_of(const metrics::Recall& metric, std::int64_t width) {
  return top_rates_of("Recall", RateCounter::recall, metric, width);
}

RateAtRateCounter counter_of(const metrics::SensitivityAtSpecificity& metric, std::int64_t width) {
  return rate_at_rate("SensitivityAtSpecificity", metric, RateAtRateCounter::sensitivity, RateAtRateCounter::specificity,
                      metric.specificity, width);
}
RateAtRateCounter counter_of(const metrics::SpecificityAtSensitivity& metric, std::int64_t width) {
  return rate_at_rate("SpecificityAtSensitivity", metric, RateAtRateCounter::specificity, RateAtRateCounter::sensitivity,
                      metric.sensitivity, width);
}
RateAtRateCounter counter_of(const metrics::PrecisionAtRecall& metric, std::int64_t width) {
  return rate_at_rate("PrecisionAtRecall", metric, RateAtRateCounter::precision, RateAtRateCounter::sensitivity, metric.recall, width);
}
RateAtRateCounter counter_of(const metrics::RecallAtPrecision& metric, std::int64_t width) {
  return rate_at_rate("RecallAtPrecision", metric, RateAtRateCounter::sensitivity, RateAtRateCounter::precision, metric.precision, width);
}

AucCounter counter_of(const metrics::AUC& metric, std::int64_t width) {
  const auto count = static_cast<std::int64_t>(metric.label_weights.size());
  if (count != 0 && count != width)
    throw ValueError(fmt::format("metric AUC: label_weights are {}; the output has {} numbers in a row", count, width));
  if (metric.num_labels.value_or(width) != width)
    throw ValueError(fmt::format("metric AUC: num_labels is {}; the output has {} numbers in a row", *metric.num_labels, width));
  std::vector<double> thresholds = metric.thresholds;
  if (thresholds.empty())
    for (std::int64_t i = 1; i + 1 < metric.num_thresholds; ++i)
      thresholds.push_back(static_cast<double>(i) / static_cast<double>(metric.num_thresholds - 1));
  std::sort(thresholds.begin(), thresholds.end());
  thresholds.insert(thresholds.begin(), 0);
  thresholds.push_back(1);
  AucCounter counter{
      {.thresholds = ThresholdList(thresholds, true), .labels = metric.multi_label ? width : 1, .from_logits = metric.from_logits}};
  (metric.multi_label ? counter.label_weights : counter.element_weights) = metric.label_weights;
  counter.curve = metric.curve;
  counter.method = metric.summation_method;
  return counter;
}

FBetaCounter counter_of(const metrics::FBetaScore& metric, std::int64_t width) {
  return {.width = width, .average = metric.average, .beta = metric.beta, .threshold = metric.threshold};
}
FBetaCounter counter_of(const metrics::F1Score& metric, std::int64_t width) {
  return {.width = width, .average = metric.average, .beta = 1, .threshold = metric.threshold};
}

IouCounter counter_of(const metrics::IoU& metric, std::int64_t width) {
  if (!metric.sparse_y_pred) check_scores("IoU", metric.num_classes, width);
  return {.classes = metric.num_classes,
          .chosen = metric.target_class_ids,
          .ignored = metric.ignore_class,
          .reading = metric.sparse_y_pred ? IouCounter::Reading::ids : IouCounter::Reading::scores};
}
IouCounter counter_of(const metrics::BinaryIoU& metric, std::int64_t /*width*/) {
  return {.classes = 2, .chosen = metric.target_class_ids, .reading = IouCounter::Reading::at_threshold, .threshold = metric.threshold};
}
IouCounter counter_of(const metrics::MeanIoU& metric, std::int64_t width) {
  return counter_of(metrics::IoU{.num_classes = metric.num_classes,
                                 .target_class_ids = all_classes(metric.num_classes),
                                 .ignore_class = metric.ignore_class,
                                 .sparse_y_true = metric.sparse_y_true,
                                 .sparse_y_pred = metric.sparse_y_pred},
                    width);
}
IouCounter counter_of(const metrics::OneHotIoU& metric, std::int64_t width) {
  return counter_of(metrics::IoU{.num_classes = metric.num_classes,
                                 .target_class_ids = metric.target_class_ids,
                                 .ignore_class = metric.ignore_class,
                                 .sparse_y_true = false,
                                 .sparse_y_pred = metric.sparse_y_pred},
                    width);
}
IouCounter counter_of(const metrics::OneHotMeanIoU& metric, std::int64_t width) {
  return counter_of(metrics::OneHotIoU{.num_classes = metric.num_classes,
                                       .target_class_ids = all_classes(metric.num_classes),
                                       .ignore_class = metric.ignore_class,
                                       .sparse_y_pred = metric.sparse_y_pred},
                    width);
}

R2Counter counter_of(const metrics::R2Score& metric, std::int64_t width) {
  return {.width = width, .aggregation = metric.class_aggregation, .num_regressors = metric.num_regressors};
}

#define LINN_INSTANTIATE(counter)                                                                                      \
  template void counter::add(std::span<const float> t, std::span<const float> p, double weight, double* totals) const; \
  template void counter::add(std::span<const double> t, std::span<const double> p, double weight, double* totals) const;
LINN_INSTANTIATE(ThresholdCounter)
LINN_INSTANTIATE(FBetaCounter)
LINN_INSTANTIATE(IouCounter)
LINN_INSTANTIATE(R2Counter)
#undef LINN_INSTANTIATE
template void IouCounter::add(std::int64_t label, std::span<const float> p, double weight, double* totals) const;
template void IouCounter::add(std::int64_t label, std::span<const double> p, double weight, double* totals) const;

}  // namespace linn::detail::optim
